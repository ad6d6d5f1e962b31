"""Every recorded small call to a real Dify server, made again: what comes of it must be what that server said."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import AsyncBotClient, Attachment, BotAuthError, BotClient, DifyApp
from tests.covering import covering
from tests.recorded.asking import DRIVERS, KEY
from tests.recorded.managing import (
    MADE,
    NOT_MADE,
    SO_ALREADY,
    Call,
    call_of,
    expected_of,
    make,
    messages_in,
    outcome_of,
    query_of,
)
from tests.recorded.recordings import VERSIONS, Recording, recording, small_calls
from tests.recorded.replay import ReplayServer, reply_of

both_drivers = pytest.mark.parametrize("driver", DRIVERS)


def test_every_recorded_small_call_is_made_or_named_with_a_reason() -> None:
    assert Counter(exchange.version for exchange in small_calls()) == {"0.15.3": 58, "1.14.2": 62}
    assert Counter(exchange.version for exchange in MADE) == {"0.15.3": 43, "1.14.2": 47}
    assert set(NOT_MADE) | SO_ALREADY <= {exchange.name for exchange in small_calls()}


OPENS_NO_APP = ("dataset-a-key-of-some-base", "api_key is a knowledge base's ('dataset-…'), and no app opens to it.")
UNKNOWN = ("app-a-key-of-no-app", "Check api_key")
ASKED = {
    "ask": lambda bot: BotClient(bot, user="anna").ask("Hello"),
    "async ask": lambda bot: asyncio.run(AsyncBotClient(bot, user="anna").ask("Hello")),
    "upload": lambda bot: BotClient(bot, user="anna").upload(Attachment.from_bytes(b"All is well", name="a.txt")),
    "info": lambda bot: BotClient(bot).info(),
    "speak": lambda bot: BotClient(bot, user="anna").speak("Hello"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ask", ASKED.values(), ids=list(ASKED))
def test_a_key_of_a_knowledge_base_is_told_from_one_of_no_app(version: str, ask: Callable[[DifyApp], Any]) -> None:
    for key, words in (OPENS_NO_APP, UNKNOWN):
        reply = reply_of(recording(version, "err-dataset-key-on-app"))
        with ReplayServer(reply) as server, pytest.raises(BotAuthError) as refused:
            ask(DifyApp(key, server.url))
        assert words in str(refused.value)
        assert key not in str(refused.value)


@pytest.mark.parametrize(("exchange", "driver"), covering(MADE, DRIVERS))
def test_a_small_call_is_sent_once_as_recorded_and_comes_to_what_the_server_told(
    driver: str, exchange: Recording
) -> None:
    with ReplayServer(reply_of(exchange)) as server:
        got = make(driver, server.url, call_of(exchange))
    assert outcome_of(got) == expected_of(exchange, call_of(exchange))
    (request,) = server.received
    assert (request.method, urlsplit(request.path).path) == (exchange.method, urlsplit(exchange.target).path)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    asked = query_of(request.path)
    if call_of(exchange).name == "variables":
        assert asked.pop("limit") == "100"
    assert asked == query_of(exchange.target)
    assert (json.loads(request.body) if request.body else None) == exchange.sent
    assert not request.body or request.headers["content-type"] == "application/json"


def pages_of(driver: str, call: Call, *pages: Recording) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Make a call that is answered with one page after the other; return what came of it, and what was asked."""
    with ReplayServer(*map(reply_of, pages)) as server:
        got = make(driver, server.url, call)
    return outcome_of(got), [query_of(request.path) for request in server.received]


@pytest.mark.parametrize("version", VERSIONS)
@both_drivers
def test_conversations_of_two_pages_are_asked_for_as_recorded(driver: str, version: str) -> None:
    pages = [recording(version, name) for name in ("conversations-page-1", "conversations-page-2")]
    user = query_of(pages[0].target)["user"]
    told, asked = pages_of(driver, Call("conversations", (), {"user": user}), *pages)
    assert told == [one for page in pages for one in expected_of(page, call_of(page))]
    assert asked == [query_of(page.target) | {"limit": "100"} for page in pages]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_tells_the_time_of_a_conversation_s_last_message_a_second_early_at_most(version: str) -> None:
    newest = json.loads(recording(version, "messages-with-feedback").body)["data"][-1]
    listed = json.loads(recording(version, "conversations-page-2").body)["data"]
    (told,) = (one for one in listed if one["id"] == newest["conversation_id"])
    assert told["created_at"] < newest["created_at"] - 5
    assert newest["created_at"] - 1 <= told["updated_at"] <= newest["created_at"]


@pytest.mark.parametrize("version", VERSIONS)
@both_drivers
def test_a_history_of_two_pages_is_oldest_first_and_asks_again_from_within_the_page_before(
    driver: str, version: str
) -> None:
    newer, older = (recording(version, name) for name in ("messages-page-2", "messages-page-3-last"))
    query = query_of(newer.target)
    told, asked = pages_of(driver, Call("history", (query["conversation_id"],), {"user": query["user"]}), newer, older)
    bodies = [json.loads(page.body) for page in (older, newer)]
    assert told == [message for body in bodies for message in messages_in(body)]
    # The recorder asked by the first id of the page, and would have lost what shares its second; see
    # messages-same-second-page-1.
    first, second, *_ = bodies[1]["data"]
    assert first["created_at"] < second["created_at"]
    assert query_of(older.target)["first_id"] == first["id"]
    del query["first_id"]
    assert asked == [query | {"limit": "100"}, query | {"limit": "100", "first_id": second["id"]}]
