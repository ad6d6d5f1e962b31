"""A PostgreSQL server of the tests' own: of the system's package, in a folder of its own, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PACKAGED = Path("/usr/lib/postgresql")  # where Debian keeps each version's own programs


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server; yield the address of an empty database. The test is skipped where there is no PostgreSQL."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        as_account = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": folder, "check": True, **as_account}
        data = folder / "data"
        subprocess.run([programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-N"], **told)
        port = _free_port()
        settings = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories='' -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
        subprocess.run([*control, "-o", settings, "start"], **told)
        try:
            yield f"postgresql://tests@127.0.0.1:{port}/postgres?sslmode=disable"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    candidates = [*sorted(_PACKAGED.glob("*/bin"), reverse=True), *([Path(found).parent] if found else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def _account() -> pwd.struct_passwd | None:
    """Return whose server it is: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {one.pw_name: one for one in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
