"""`remote-chatbots serve`: the emulator from the command line."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_chatbots import emulator as emulators
from remote_chatbots.cli.ends import Unusable
from remote_chatbots.emulator import Fault, Faults
from remote_chatbots.printable import on_a_line

if TYPE_CHECKING:
    from remote_chatbots.emulator import Emulator

_TEXTS = (".md", ".markdown", ".txt")
_ALWAYS = "*"

DESCRIPTION = """\
A local Dify and GPTBots server, for trying things out without a key. It
listens on 127.0.0.1 alone, keeps nothing when it ends, and tells of each
request in a line. Ctrl-C ends it."""

EPILOG = """\
faults: --fault NAME[,FIELD=VALUE…][:TIMES], more than once if you like; they
strike one question after the other. TIMES is 1 if you do not say, * for always.
  --fault too-many-requests,retry_after_s=2:3   three questions are put off
  --fault 'cut,after_bytes=900:*'               every stream breaks off

There are:
{names}."""


def add_to(commands: Any) -> None:
    """Add the command's arguments."""
    kinds = {name: kind for name in emulators.__all__ if _is_fault(kind := getattr(emulators, name))}
    parser = commands.add_parser(
        "serve",
        help="run a local Dify and GPTBots server",
        description=DESCRIPTION,
        epilog=EPILOG.format(names=_wrapped([_spelt(name) for name in kinds])),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", default="1.14", choices=("2023", "0.15", "1.14"), help="the age of Dify's wire")
    parser.add_argument(
        "--documents", type=Path, metavar="FOLDER", help="its knowledge base: the texts and Markdown files below FOLDER"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; see below")
    parser.add_argument("--port", type=int, default=0, help="where it listens (default: the system chooses)")
    parser.add_argument("--seed", type=int, default=0, help="changes all keys and ids (default: 0)")
    parser.add_argument(
        "--token-delay", type=float, default=0.03, metavar="SECONDS", help="between two pieces of text (default: 0.03)"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Serve until a signal comes; return the exit code.

    Raises:
        Unusable: If an argument is wrong, or the port is taken.
    """
    over = threading.Event()
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    log = logging.getLogger("remote_chatbots.emulator")
    level, handler = log.level, _to_stdout()
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        running = emulators.Emulator(  # its HTTP library is imported with it, and not before
            given.profile,
            seed=given.seed,
            port=given.port,
            token_delay_s=given.token_delay,
            documents=None if given.documents is None else documents_in(given.documents),
        )
        for fault in given.fault:
            add_fault(running.faults, fault)
        with running:
            sys.stdout.write(_welcome(running))
            sys.stdout.flush()
            while not over.wait(0.5):  # a wait without an end would hold back the signal on Windows
                pass
    except (OSError, OverflowError) as error:
        raise Unusable(f"Port {given.port} cannot be had: {on_a_line(str(error))}. Choose another by --port.") from None
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        for number, whose in before.items():
            signal.signal(number, whose)
    sys.stdout.write("\nGone.\n")
    return 0


def documents_in(folder: Path) -> dict[str, str]:
    """Return the texts below a folder, by their names from there.

    Raises:
        Unusable: If it is no folder, holds no text, or one cannot be read.
    """
    if not folder.is_dir():
        raise Unusable(f"{on_a_line(str(folder))} is no folder. Give --documents one that holds texts or Markdown.")
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _TEXTS and path.is_file()):
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            told = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise Unusable(f"{on_a_line(str(path))} cannot be read: {told}. Leave it out, or convert it.") from None
        if text.strip():
            found[path.relative_to(folder).as_posix()] = text
    if not found:
        raise Unusable(f"{on_a_line(str(folder))} holds no text. Put {', '.join(_TEXTS)} files there.")
    return found


def add_fault(faults: Faults, told: str) -> None:
    """Add a fault as the command line writes it: `cut,after_bytes=900:3`.

    Raises:
        Unusable: If there is no such fault, or it takes no such value.
    """
    what, _, often = told.partition(":")
    name, *fields = what.split(",")
    kinds = {_key(kind): getattr(emulators, kind) for kind in emulators.__all__ if _is_fault(getattr(emulators, kind))}
    kind = kinds.get(_key(name))
    if kind is None:
        raise Unusable(f"There is no fault {on_a_line(name)!r}. `remote-chatbots serve --help` names those there are.")
    try:
        times = None if often == _ALWAYS else int(often or 1)
        faults.add(kind(**dict(_value(kind, field) for field in fields)), times=times)
    except (ValueError, TypeError) as error:
        raise Unusable(
            f"--fault {on_a_line(told)}: {on_a_line(str(error))}. See `remote-chatbots serve --help`."
        ) from None


def _value(kind: Any, told: str) -> tuple[str, Any]:
    name, equals, value = told.partition("=")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if not equals or name not in defaults:
        raise ValueError(f"it takes {', '.join(f'{each}=…' for each in defaults) or 'no fields'}, not {told!r}")
    like = defaults[name]
    if isinstance(like, bool):
        if value not in ("true", "false"):
            raise ValueError(f"{name} is true or false, not {value!r}")
        return name, value == "true"
    if isinstance(like, str):
        return name, value
    return name, float(value) if isinstance(like, float) else int(value)


def _is_fault(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Fault) and dataclasses.is_dataclass(kind)


def _spelt(name: str) -> str:
    """Return a class's name as the command line writes it: "HtmlPage" as "html-page"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])", "-", name).lower()


def _key(name: str) -> str:
    return re.sub("[-_ ]", "", name).lower()


def _wrapped(names: list[str]) -> str:
    lines = [""]
    for name in sorted(names):
        if len(lines[-1]) + len(name) > 76:
            lines.append("")
        lines[-1] += f"{name}, "
    return "\n".join(line.rstrip() for line in lines).removesuffix(",")


def _welcome(running: Emulator) -> str:
    agents = [kind for kind in running.kinds if kind.startswith("gptbots")]
    keys = {kind: running.key(kind) for kind in running.kinds}
    width = max(map(len, keys))
    dify = "".join(f"  {kind:<{width}}  {key}\n" for kind, key in keys.items() if kind not in agents)
    gptbots = "".join(f"  {kind:<{width}}  {keys[kind]}\n" for kind in agents)
    return (
        f"Dify     {running.dify_url}\n{dify}  {'(knowledge bases)':<{width}}  {running.dataset_key}\n"
        f"GPTBots  {running.gptbots_url}\n{gptbots}"
        "These keys open nothing but this server. Try:\n"
        f"  DIFY_API_KEY={keys['advanced-chat']} \\\n  remote-chatbots chat --base-url {running.dify_url}\n\n"
    )


def _to_stdout() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    return handler
