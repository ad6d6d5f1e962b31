"""`remote-chatbots chat`: a bot in the terminal."""

from __future__ import annotations

import argparse
import getpass
import shlex
from contextlib import ExitStack
from typing import Any

from remote_chatbots import emulator as emulators
from remote_chatbots.cli.bots import Bot, add_bot_options, bot_of, inputs_of, platform_of, user_of
from remote_chatbots.cli.chat_commands import COMMANDS, go_on_with, obey
from remote_chatbots.cli.ends import FAILED, FINE, Unusable
from remote_chatbots.cli.forms import as_the_form_has_them
from remote_chatbots.cli.screen import Screen, screen_here
from remote_chatbots.cli.talk import Talk
from remote_chatbots.client import BotClient
from remote_chatbots.discovering import asked_about_itself
from remote_chatbots.errors import BotError, BotUsageError, copy_of
from remote_chatbots.management import whole
from remote_chatbots.platforms.dify import DifyApp
from remote_chatbots.platforms.gptbots import GPTBotsAgent
from remote_chatbots.printable import on_a_line
from remote_chatbots.timeouts import DEFAULT_SILENCE_S

DESCRIPTION = """\
Talks with a bot: answers while they come, the bot's steps and thoughts,
sources, follow-ups by number. Ctrl-C stops an answer, and the server keeps
what it said; on an empty line it leaves. Without a terminal each line of
standard input is a question, and the answers with their sources go to
standard output, the rest to standard error."""

EPILOG = """\
examples:
  remote-chatbots chat --emulator
  DIFY_API_KEY=app-… remote-chatbots chat --base-url https://dify.example.com
  echo 'When does the ferry leave?' | remote-chatbots chat > answer.txt

Within the chat, /help tells what else there is.

exit codes: 0 left by the person, or every line of a pipe was done; 1 a line of
a pipe was not, the bot does not tell what it is, or its server cannot be
reached; 2 wrong use; 130 interrupted where there is no answer to stop."""

_DEFAULT_KINDS = {"dify": "advanced-chat", "gptbots": "gptbots"}


def add_to(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "chat",
        help="talk with a bot in the terminal",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_bot_options(parser, "your login name")
    parser.add_argument(
        "--emulator",
        nargs="?",
        const="",
        metavar="KIND",
        help="talk with the emulator, which needs no key; KIND is one of its apps, as `serve` lists them",
    )
    parser.add_argument("--conversation", default="", metavar="ID", help="go on with this conversation")
    parser.add_argument(
        "--no-follow-ups", action="store_true", help="do not ask for follow-ups after each answer (a model makes them)"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Talk until the person leaves; return the exit code.

    Raises:
        Unusable: If an argument is wrong, or the terminal needs the extra.
        BotError: If the bot does not tell what it is.
    """
    given_inputs = inputs_of(given)
    screen = screen_here(list(COMMANDS))
    with ExitStack() as open_:
        bot = bot_of(given) if given.emulator is None else _emulated(given, open_)
        user = user_of(given, _login())
        client = open_.enter_context(BotClient(bot, user=user, timeout=given.timeout or DEFAULT_SILENCE_S))
        _meet(client, bot)
        inputs = as_the_form_has_them(given_inputs, bot.learned.input_form)
        _greet(screen, bot, user)
        talk = Talk(client, bot, screen, inputs, follow_ups=not given.no_follow_ups)
        if given.conversation:
            go_on_with(talk, given.conversation)
        else:
            talk.begin()
        _talk(talk, goes_on=given.emulator is None)
    return FAILED if talk.failed and not screen.interactive else FINE


def _login() -> str:
    try:
        return getpass.getuser()[:32]
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"


def _meet(client: BotClient, bot: Bot) -> None:
    try:
        whole(client.run(asked_about_itself(bot)))
    except BotError as error:
        raise copy_of(error, message=f"{error} `remote-chatbots doctor` tells more.") from None


def _talk(talk: Talk, *, goes_on: bool) -> None:
    while (line := talk.screen.read()) is not None:
        said = line.strip()
        try:
            if said.startswith("/") and not said.startswith("//"):
                obey(talk, said)
            else:
                talk.take(line)
        except EOFError:
            break
        except BotUsageError as error:
            talk.refuse(f"  ✗ {on_a_line(str(error), 2000)}\n")
    if talk.conversation_id and goes_on:
        # Whoever chose the id, a shell will read it.
        talk.screen.note(f"To go on: --conversation {shlex.quote(on_a_line(talk.conversation_id))}\n")


def _greet(screen: Screen, bot: Bot, user: str) -> None:
    info = bot.learned.info
    name = f'"{on_a_line(info.name, 100)}"' if info and info.name else "A bot"
    kind = f" ({on_a_line(info.kind, 40)})" if info and info.kind else ""
    screen.note(f"{name}{kind} at {bot.base_url}, for {on_a_line(user)}\n")


def _emulated(given: argparse.Namespace, open_: ExitStack) -> Bot:
    emulator = open_.enter_context(emulators.Emulator(token_delay_s=0.03))
    kind = given.emulator or _DEFAULT_KINDS[platform_of(given)]
    if kind not in emulator.kinds:
        raise Unusable(f"The emulator has no {on_a_line(kind)!r}. It has: {', '.join(emulator.kinds)}.")
    if kind.startswith("gptbots"):
        return GPTBotsAgent(emulator.key(kind), emulator.gptbots_url)
    return DifyApp(emulator.key(kind), emulator.dify_url)
