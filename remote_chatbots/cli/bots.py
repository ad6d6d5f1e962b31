"""Which bot a command is about: by its options, else by the environment, else by asking for the key."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from typing import Any

from remote_chatbots.cli.ends import Unusable
from remote_chatbots.platforms.dify import DifyApp
from remote_chatbots.platforms.gptbots import GPTBotsAgent
from remote_chatbots.timeouts import Settings

Bot = DifyApp | GPTBotsAgent

# As the models of both frameworks read them.
_ADDRESSES = {"dify": ("DIFY_BASE_URL", "DIFY_API_BASE"), "gptbots": ("GPTBOTS_BASE_URL",)}
_SEEN = "everybody on this machine can see a key among a command's options; the environment or the prompt hides it"


def add_bot_options(parser: argparse.ArgumentParser, nobody: str) -> None:
    """Add the options that say which bot; `nobody` says who asks if neither option nor environment does."""
    which = parser.add_argument_group("which bot")
    which.add_argument(
        "--platform",
        choices=("dify", "gptbots"),
        help="default: dify, or gptbots if only its key is in the environment",
    )
    which.add_argument(
        "--base-url",
        metavar="URL",
        help="the server; for GPTBots a region will do (default: DIFY_BASE_URL or DIFY_API_BASE, GPTBOTS_BASE_URL, "
        "else the platform's cloud)",
    )
    which.add_argument(
        "--api-key",
        metavar="KEY",
        help="better in DIFY_API_KEY or GPTBOTS_API_KEY, or asked for: others can see options (in `ps`)",
    )
    which.add_argument("--user", metavar="NAME", help=f"who asks (default: DIFY_USER or GPTBOTS_USER, else {nobody})")
    which.add_argument(
        "--input", action="append", default=[], metavar="NAME=VALUE",
        help="a variable of the app's form; repeat it. Of one that takes files the path or address of a file",
    )  # fmt: skip
    which.add_argument("--timeout", type=float, metavar="SECONDS", help="of silence that are waited for")


def platform_of(given: argparse.Namespace) -> str:
    """Return which platform is meant."""
    only_gptbots = os.environ.get("GPTBOTS_API_KEY") and not os.environ.get("DIFY_API_KEY")
    return given.platform or ("gptbots" if only_gptbots else "dify")


def bot_of(given: argparse.Namespace, settings: Settings | None = None) -> Bot:
    """Return the bot.

    Args:
        given: The command's options.
        settings: Patience and sizes.

    Raises:
        Unusable: If there is no key, and nobody to ask for it.
        BotUsageError: If the key or the address can be none.
    """
    platform = platform_of(given)
    known: dict[str, Any] = {} if settings is None else {"settings": settings}
    address = given.base_url or next(filter(None, map(os.environ.get, _ADDRESSES[platform])), None)
    if address:
        known["base_url"] = address
    kind: type[Bot] = DifyApp if platform == "dify" else GPTBotsAgent
    return kind(_key(given, platform), **known)


def user_of(given: argparse.Namespace, default: str) -> str:
    """Return who asks."""
    named: str | None = given.user
    return named or os.environ.get(f"{platform_of(given).upper()}_USER") or default


def inputs_of(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Return names and values of the app's variables, as they were given; `as_the_form_has_them` makes inputs of them.

    Raises:
        Unusable: If one is not NAME=VALUE.
    """
    pairs = [one.partition("=") for one in given.input]
    if any(not equals or not name for name, equals, _ in pairs):
        raise Unusable("An input is written NAME=VALUE. Correct --input.")
    return [(name, value) for name, _, value in pairs]


def _key(given: argparse.Namespace, platform: str) -> str:
    variable = f"{platform.upper()}_API_KEY"
    if given.api_key:
        sys.stderr.write(f"remote-chatbots: {_SEEN}.\n")
        return str(given.api_key)
    if key := os.environ.get(variable):
        return key
    none = f"There is no key. Set {variable}" + (
        ", or talk with --emulator, which needs none." if hasattr(given, "emulator") else "."
    )
    if not sys.stdin.isatty():
        raise Unusable(none)
    try:
        return getpass.getpass("The bot's API key (it is not shown): ")
    except EOFError:
        raise Unusable(none) from None
