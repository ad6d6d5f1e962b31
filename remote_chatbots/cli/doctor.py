"""`remote-chatbots doctor`: what a bot is, whether it answers, and what to do if it does not."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from remote_chatbots.address import on_this_machine
from remote_chatbots.cli import diagnosis_shown
from remote_chatbots.cli.bots import Bot, add_bot_options, bot_of, inputs_of, platform_of, user_of
from remote_chatbots.cli.diagnosis import Problem, diagnosed
from remote_chatbots.cli.ends import FINE, WRONG_ADDRESS, WRONG_USE, Unusable
from remote_chatbots.cli.forms import as_the_form_has_them
from remote_chatbots.client import BotClient
from remote_chatbots.described import AppInfo, AppParameters
from remote_chatbots.errors import BotAuthError, BotError, BotNotFoundError, BotUsageError
from remote_chatbots.events import Reasoning, TextDelta
from remote_chatbots.knowledge_client import KnowledgeClient
from remote_chatbots.platforms.dify import CLOUD_URL, DifyApp, DifyKnowledge
from remote_chatbots.platforms.dify.knowledge import PAGE_SIZE
from remote_chatbots.printable import printable
from remote_chatbots.stored_knowledge import StoredKnowledgeBase
from remote_chatbots.timeouts import Settings

QUESTION = "Hello! Please answer with one word."
# A doctor who waits and asks again does not see what there is to be seen.
_AT_ONCE = Settings(max_retries=0, probe_after_s=3.0)
_PATIENCE_S = 60.0
_ASKS = "remote-chatbots-doctor"
_PAGES = ("cloud.dify.ai", "dify.ai", "www.dify.ai", "udify.app")

DESCRIPTION = """\
Says what a bot is, whether it can be used from here, which inputs it wants and
what is switched off; and what to do about whatever is wrong. It sends two small
requests that read; with --ask a question as well, which may cost."""

EPILOG = """\
exit codes: 0 fine; 2 wrong use, or inputs that do not fit the app's form;
3 no connection (name, port, TLS, proxy, silence); 4 the key is refused;
5 wrong address; 6 the app is not ready (unpublished, API off, no model);
7 a limit or a quota; 8 the server, or the model behind it, failed.

examples:
  DIFY_API_KEY=app-… remote-chatbots doctor --base-url https://dify.example.com
  remote-chatbots doctor --platform gptbots --base-url sg --ask "Hello?" --json"""


@dataclass
class Asked:
    """What came of the test question; durations in seconds."""

    question: str
    text: str = ""
    first_token_s: float | None = None
    total_s: float | None = None
    sources: int = 0
    tokens: int | None = None
    finish_reason: str = ""


@dataclass
class Report:
    """What the doctor found.

    Attributes:
        platform: "dify" or "gptbots".
        base_url: The API that was asked.
        round_trip_s: How long a small request took, in seconds; None if none succeeded.
        server_version: What the server calls itself; "" if it does not say.
        info: Who the bot is, if it told.
        parameters: How it is set up, if it told.
        asked: What came of the test question, if there was one.
        problems: What is wrong.
        hints: What might be better.
        knowledge_bases: What a key opens that is no app's, as many as one page of the server's list has.
        user_is_set: Whether an option or the environment says who asks.
    """

    platform: str
    base_url: str
    round_trip_s: float | None = None
    server_version: str = ""
    info: AppInfo | None = None
    parameters: AppParameters | None = None
    asked: Asked | None = None
    problems: list[Problem] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    knowledge_bases: list[StoredKnowledgeBase] = field(default_factory=list)
    user_is_set: bool = True

    @property
    def exit_code(self) -> int:
        """That of the first problem."""
        return self.problems[0].exit_code if self.problems else FINE


def add_to(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "doctor",
        help="say what a bot is and what is wrong with it",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_bot_options(parser, _ASKS)
    parser.add_argument(
        "--ask", nargs="?", const=QUESTION, metavar="QUESTION", help="ask it something, and take the time"
    )
    parser.add_argument("--json", action="store_true", help="say it for programs")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Examine a bot and tell what was found; return the exit code."""
    try:
        given_inputs, user = inputs_of(given), user_of(given, "")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `hints_of` says it
            bot = bot_of(given, _AT_ONCE)
    except (Unusable, BotUsageError) as error:
        if not given.json:
            raise
        cause, _, cure = (told := printable(str(error))).rpartition(". ")
        unusable = Problem("wrong_use", f"{cause}.", cure, told, WRONG_USE)
        return _told(Report(platform_of(given), given.base_url or "", problems=[unusable]), as_json=True)
    timeout_s = given.timeout or _PATIENCE_S
    report = Report(bot.name, bot.base_url, user_is_set=bool(user))
    with BotClient(bot, user=user or _ASKS, timeout=timeout_s) as client:
        try:
            _ask_about_itself(client, report)
            if given.ask is not None:
                report.asked = Asked(given.ask)
                _ask(client, report.asked, as_the_form_has_them(given_inputs, bot.learned.input_form))
        except BotError as error:
            report.problems.append(_with_more(diagnosed(error, bot.api_key), bot, timeout_s))
            if report.problems[0].kind == "dataset_key" and isinstance(bot, DifyApp):
                report.knowledge_bases = _opened_by(bot, timeout_s)
    report.server_version = bot.learned.server_version
    report.hints = hints_of(report)
    return _told(report, as_json=given.json)


def _told(report: Report, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(diagnosis_shown.as_data(report), indent=2) + "\n")
    else:
        sys.stdout.write(diagnosis_shown.as_text(report))
    return report.exit_code


def _ask_about_itself(client: BotClient, report: Report) -> None:
    begun_at = time.monotonic()
    report.parameters = client.parameters()
    report.round_trip_s = time.monotonic() - begun_at
    begun_at = time.monotonic()  # the first call opened the connection
    try:
        report.info = client.info()
        report.round_trip_s = time.monotonic() - begun_at
    except BotNotFoundError as error:
        if error.code:
            raise
        # A Dify of 2023 does not know the call.


def _ask(client: BotClient, asked: Asked, inputs: dict[str, Any]) -> None:
    begun_at = time.monotonic()
    with client.stream(asked.question, inputs=inputs) as events:
        for event in events:
            if asked.first_token_s is None and isinstance(event, (TextDelta, Reasoning)):
                asked.first_token_s = time.monotonic() - begun_at
        answer = events.answer
    asked.total_s = time.monotonic() - begun_at
    asked.text, asked.sources, asked.finish_reason = answer.text, len(answer.sources), answer.finish_reason or ""
    asked.tokens = answer.usage.total_tokens if answer.usage else None


def _with_more(problem: Problem, bot: Bot, timeout_s: float) -> Problem:
    """Return the problem with what a look around tells: where the API is."""
    if not isinstance(bot, DifyApp):
        return problem
    if problem.exit_code == WRONG_ADDRESS and (found := api_near(bot, timeout_s)):
        return _replaced(problem, f"Give --base-url {found}: a Dify API answers there.")
    return problem


def _replaced(problem: Problem, cure: str) -> Problem:
    return Problem(problem.kind, problem.cause, cure, problem.told, problem.exit_code)


def api_near(bot: DifyApp, timeout_s: float) -> str:
    """Return where on the same server (or, for pages of Dify's cloud, in the cloud) an API answers; "" if nowhere."""
    scheme, _, rest = bot.base_url.partition("://")
    host = rest.partition("/")[0]
    candidate = CLOUD_URL if host in _PAGES else f"{scheme}://{host}/v1"
    if candidate == bot.base_url:
        return ""
    if host in _PAGES:
        return candidate  # said without asking there: the key is for whom it was given
    try:
        with BotClient(DifyApp(bot.api_key, candidate, settings=_AT_ONCE), timeout=timeout_s) as client:
            client.parameters()
    except BotAuthError as error:
        return candidate if error.code == "unauthorized" else ""
    except BotError:
        return ""
    return candidate


def _opened_by(bot: DifyApp, timeout_s: float) -> list[StoredKnowledgeBase]:
    """Return the knowledge bases that a key opens."""
    try:
        with KnowledgeClient(DifyKnowledge(bot.api_key, base_url=bot.base_url), timeout=timeout_s) as client:
            return client.knowledge_bases(limit=PAGE_SIZE)
    except BotError:
        return []


def hints_of(report: Report) -> list[str]:
    """Return what might be better, of a bot that told how it is set up."""
    hints = []
    address = urlsplit(report.base_url)
    if address.scheme == "http" and not on_this_machine(address.hostname or ""):
        hints.append("The key goes over http:// unencrypted: use https://, if this is no network of your own.")
    told = report.parameters
    if told is None:
        return hints
    if not report.user_is_set:
        variable = f"{report.platform.upper()}_USER"
        hints.append(f"No user is set, and no question goes without one: set {variable}, or in code give user=….")
    if told.citations is False:
        hints.append(
            'Citations are off: answers name no sources. To have them, switch "Citations and Attributions" on in the '
            "app's features, and publish."
        )
    if required := [one for one in told.input_form if one.required]:
        each = " ".join(f"--input {one.name}={'PATH' if one.files else '…'}" for one in required)
        names = ", ".join(one.name for one in required)
        files = "; files as Attachment.from_path(…)" if any(one.files for one in required) else ""
        hints.append(f"Each question needs {names} (here: {each}; in code: inputs={{…}}{files}).")
    if told.speaks_by_itself:
        hints.append("It speaks by itself: sound comes after each text, and a turn ends with it.")
    if report.asked and not report.asked.text.strip() and report.asked.finish_reason == "stop":
        hints.append("The answer was empty: see whether the chatflow's Answer node says anything.")
    return hints
