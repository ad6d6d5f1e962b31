"""`remote-chatbots serve`: the emulator from the command line."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_chatbots import emulator as emulators
from remote_chatbots.cli.ends import FINE, Unusable
from remote_chatbots.cli.named_faults import add_fault, faults_in_words, named_faults
from remote_chatbots.printable import on_a_line

if TYPE_CHECKING:
    from remote_chatbots.emulator import Emulator

_SEARCHED = ("0.15", "1.14")  # the wires on which knowledge bases are
_TEXTS = (".md", ".markdown", ".txt")

DESCRIPTION = """\
A local Dify and GPTBots server, for trying things out without a key. No model
runs in it: it answers with what its documents say in the question's words, and
fills a JSON Schema that stands in a question with the least that fits. It
listens on 127.0.0.1 alone, keeps nothing when it ends, and tells of each
request in a line. Ctrl-C ends it."""

EPILOG = """\
faults: --fault NAME[,FIELD=VALUE…][:TIMES], more than once if you like; they
strike one question after the other. TIMES is 1 if you do not say, * for always.
  --fault too-many-requests,retry_after_s=2:3   three questions are put off
  --fault 'cut,after_bytes=900:*'               every stream breaks off

There are:
{names}.
`serve --list-faults` says what each of them does."""


def add_to(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "serve",
        help="run a local Dify and GPTBots server",
        description=DESCRIPTION,
        epilog=EPILOG.format(names=textwrap.fill(", ".join(named_faults()), 79, break_on_hyphens=False)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", default="1.14", choices=("2023", "0.15", "1.14"), help="the age of Dify's wire")
    parser.add_argument(
        "--documents", type=Path, metavar="FOLDER", help="its knowledge base: the texts and Markdown files below FOLDER"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; see below")
    parser.add_argument("--list-faults", action="store_true", help="say what each fault does, and end")
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
    if given.list_faults:
        sys.stdout.write(faults_in_words())
        return FINE
    over = threading.Event()
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
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
        with running, _told("remote_chatbots.emulator", logging.INFO), _told("aiohttp.server", logging.ERROR):
            sys.stdout.write(_welcome(running, given.profile))
            sys.stdout.flush()
            while not over.wait(0.5):  # a wait without an end would hold back the signal on Windows
                pass
    except (OSError, OverflowError) as error:
        raise Unusable(f"Port {given.port} cannot be had: {on_a_line(str(error))}. Choose another by --port.") from None
    finally:
        for number, whose in before.items():
            signal.signal(number, whose)
    sys.stdout.write("\nGone.\n")
    return FINE


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


def _welcome(running: Emulator, profile: str) -> str:
    agents = [kind for kind in running.kinds if kind.startswith("gptbots")]
    keys = {kind: running.key(kind) for kind in running.kinds}
    width = max(map(len, keys))
    dify = "".join(f"  {kind:<{width}}  {key}\n" for kind, key in keys.items() if kind not in agents)
    gptbots = "".join(f"  {kind:<{width}}  {keys[kind]}\n" for kind in agents)
    bases = "".join(f"    dataset_id {id_}  {on_a_line(name)}\n" for name, id_ in running.datasets.items())
    knowledge = f"  {'(knowledge bases)':<{width}}  {running.dataset_key}\n{bases}" if profile in _SEARCHED else ""
    searched = '  "dataset-…"                 that of knowledge bases, and the first dataset_id\n' if knowledge else ""
    return (
        f"Dify     {running.dify_url}\n{dify}{knowledge}"
        f"GPTBots  {running.gptbots_url}\n{gptbots}"
        "In the README's examples write for\n"
        f'  "https://dify.example.com"  {running.dify_url}\n'
        f'  "sg"                        {running.gptbots_url}\n'
        '  "app-…"                     the key of chat, with "sg" that of gptbots\n'
        f"{searched}"
        "These keys open nothing but this server, in which no model runs: it looks up in\n"
        "its documents what a question's words are about. Try:\n"
        f"  DIFY_API_KEY={keys['advanced-chat']} \\\n  remote-chatbots chat --base-url {running.dify_url}\n\n"
    )


@contextmanager
def _told(name: str, least: int) -> Iterator[None]:
    """Tell of what a logger hears, a line each."""
    log, handler = logging.getLogger(name), logging.StreamHandler(sys.stdout)
    level, propagates = log.level, log.propagate
    handler.setFormatter(_Line("%(asctime)s %(message)s", "%H:%M:%S"))
    log.setLevel(least)
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates


class _Line(logging.Formatter):
    """An error of the HTTP library's (https spoken to an http port, say) as a line, without its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
            record.exc_info = record.exc_text = None
        record.msg, record.args = on_a_line(record.getMessage(), 300), ()
        return super().format(record)
