"""The command line: which command was given, and what becomes of it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

from remote_chatbots import __version__
from remote_chatbots.cli import chat, doctor, serve
from remote_chatbots.cli.ends import FAILED, INTERRUPTED, WRONG_USE, Unusable
from remote_chatbots.cli.wrapping import Wrapped
from remote_chatbots.errors import BotError, BotUsageError
from remote_chatbots.printable import printable

DESCRIPTION = "Dify apps and GPTBots agents, from the command line."

EPILOG = """\
Which bot: DIFY_API_KEY, DIFY_BASE_URL (or DIFY_API_BASE), DIFY_USER;
GPTBOTS_API_KEY, GPTBOTS_BASE_URL, GPTBOTS_USER; or the options of a command.
Everybody on this machine can see the options of a running command, so a key
is better off in the environment; without one, doctor and chat ask for it.
`remote-chatbots COMMAND --help` tells more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    Args:
        arguments: What stands behind the command's name. Default: what the program was called with.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    given = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_note, given.command)
            code: int = given.run(given)
    except (Unusable, BotError) as error:
        _tell(f"remote-chatbots {given.command}: {printable(str(error))}")
        return WRONG_USE if isinstance(error, (Unusable, BotUsageError)) else FAILED
    except ImportError as error:
        # A face's own error says which framework it is without, and names no module.
        is_absent = error.name is None or isinstance(error, ModuleNotFoundError)
        if given.command != "demo" or not is_absent or (error.name or "").startswith("remote_chatbots"):
            raise
        what = f"It needs {error.name}, which is not installed" if error.name else str(error).partition(".")[0]
        _tell(f"remote-chatbots demo: {what}. Install both: pip install 'remote-chatbots[langchain,llama-index]'")
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; nothing more can be said
        return FAILED
    return code


def _note(command: str, message: Warning | str, *_: object) -> None:
    """Show a warning for people, who have no line of code that it could be about."""
    _tell(f"remote-chatbots {command}: {printable(str(message))}")


def _tell(text: str) -> None:
    Wrapped(sys.stderr).write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="remote-chatbots",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"remote-chatbots {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    for command in (serve, doctor, chat):
        command.add_to(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="a streamed conversation, begun in LangChain and continued in LlamaIndex",
        description="A streamed conversation with sources, begun in LangChain and continued in LlamaIndex: on the app "
        "that DIFY_API_KEY and DIFY_BASE_URL name, else on the emulator, which needs no key. DIFY_USER says who asks "
        "(default: demo).",
    )
    demo.add_argument("question", nargs="*", help="what is asked (default: two questions about a ferry)")
    # Both frameworks come with it, and no other command needs them.
    demo.set_defaults(run=lambda given: import_module("remote_chatbots.cli.demo").run(given))
