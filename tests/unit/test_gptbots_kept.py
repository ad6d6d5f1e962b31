"""What a GPTBots server keeps, and gives back: histories, lists, ratings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from remote_chatbots import BotNotFoundError, BotRejectedError, BotUsageError, GPTBotsAgent, MediaProduced
from remote_chatbots.flow import Flow
from remote_chatbots.platforms.gptbots import GPTBotsOptions, management
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]

PAST_THE_END = {"code": 40005, "message": "no such page"}


def small(body: Any, status: int = 200) -> tuple[ResponseHead, bytes]:
    return ResponseHead(status, {"content-type": "application/json"}), orjson.dumps(body)


def stored(message_id: str, role: str, time: Any, *parts: Any, **keys: Any) -> dict[str, Any]:
    content = [{"from_component_branch": None, "branch_content": list(parts)}]
    return {"message_id": message_id, "role": role, "create_time": time, "content": content, **keys}


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def paged(*messages: Any) -> tuple[ResponseHead, bytes]:
    return small({"total": "1", "conversation_content": list(messages)})


@pytest.fixture
def got(drive: Drive) -> Callable[..., Any]:
    """`got(flow, *replies)` is the flow's outcome, and what was played."""

    def got(flow: Flow[Any], *replies: Any) -> tuple[Any, Any]:
        outcome: list[Any] = []

        def kept() -> Flow[None]:
            outcome.append((yield from flow))

        played = drive(kept(), *replies)
        return (outcome[0] if outcome else None), played

    return got


def query(request: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url).query)


@pytest.mark.parametrize("keep", [True, False])
def test_marks_of_citations_are_in_a_history_if_they_are_to_be_in_the_text(keep: bool, got: Any) -> None:
    agent = GPTBotsAgent("app-1", "sg", options=GPTBotsOptions(citation_marks=keep))
    messages = [stored("q-1", "user", 1, words("Is $[1]$?")), stored("a-1", "assistant", 2, words("$5$[1]$ once."))]
    history, _ = got(agent.history("c-1"), paged(*messages))
    assert [one.text for one in history] == ["Is $[1]$?", "$5$[1]$ once." if keep else "$5 once."]


def test_a_history_is_told_oldest_first_whatever_the_servers_order(agent: GPTBotsAgent, got: Any) -> None:
    messages = [
        stored("a-2", "assistant", 2000, words("Two."), parent_message_id="q-2"),
        stored("q-2", "user", 2000, words("2?")),
        stored("a-1", "assistant", 1000, words("One."), parent_message_id="q-1", feedback="POSITIVE"),
        stored("q-1", "user", 1000, words("1?")),
        stored("w", "assistant", 999, words("Welcome!"), parent_message_id=""),
    ]
    for order in (messages, messages[::-1]):
        history, played = got(agent.history("c-1"), paged(*order))
        assert [one.message_id for one in history] == ["w", "q-1", "a-1", "q-2", "a-2"]
        assert [one.rating for one in history] == [None, None, "like", None, None]
        assert query(played.requests[0]) == {"conversation_id": ["c-1"], "page": ["1"], "page_size": ["100"]}
    assert [one.text for one in got(agent.history("c-1", limit=2), paged(*messages))[0]] == ["2?", "Two."]


def pages_of(*turns: tuple[int, int], oldest_first: bool = False) -> list[tuple[ResponseHead, bytes]]:
    """Return the pages of a history whose turns are numbers and times, four messages each."""
    messages = [
        one
        for number, time in turns
        for one in (
            stored(f"q-{number}", "user", time, words(f"{number}?")),
            stored(f"a-{number}", "assistant", time, words(f"{number}."), parent_message_id=f"q-{number}"),
        )
    ]
    ordered = messages if oldest_first else messages[::-1]
    return [paged(*ordered[at : at + 4]) for at in range(0, len(ordered) + 1, 4)]


@pytest.mark.parametrize(
    ("limit", "before", "pages"),
    [(1, "", 1), (2, "", 1), (3, "", 2), (2, "q-9", 2), (4, "a-8", 3), (None, "q-3", 6), (0, "none", 0)],
)
def test_pages_that_go_back_in_time_are_read_as_far_as_is_needed(
    agent: GPTBotsAgent, got: Any, monkeypatch: pytest.MonkeyPatch, limit: int | None, before: str, pages: int
) -> None:
    monkeypatch.setattr(management, "PAGE_SIZE", 4)
    turns = [(number, number * 1000) for number in range(10)]
    whole = [f"{kind}-{number}" for number in range(10) for kind in "qa"]
    wanted = whole[: whole.index(before) if before in whole else None]
    wanted = wanted if limit is None else wanted[len(wanted) - limit :]
    told, played = got(agent.history("c-1", limit=limit, before=before), *pages_of(*turns))
    assert [one.message_id for one in told] == wanted
    assert len(played.requests) == pages
    told, played = got(agent.history("c-1", limit=limit, before=before), *pages_of(*turns, oldest_first=True))
    assert [one.message_id for one in told] == wanted
    assert len(played.requests) == (6 if pages else 0)


def test_messages_of_one_time_are_read_to_the_last(
    agent: GPTBotsAgent, got: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "PAGE_SIZE", 4)
    told, played = got(agent.history("c-1", limit=2), *pages_of((0, 0), (1, 1000), (2, 1000), (3, 1000)))
    assert [one.message_id for one in told] == ["q-3", "a-3"]
    assert len(played.requests) == 2


def test_a_message_or_conversation_to_read_on_from_that_is_none_of_the_list_is_an_error(
    agent: GPTBotsAgent, got: Any
) -> None:
    for flow, reply in (
        (agent.history("c-1", before="m-9"), paged(stored("m-1", "user", 1))),
        (agent.conversations(user="ann", after="c-9"), small({"list": [{"conversation_id": "c-1"}]})),
    ):
        _, played = got(flow, reply)
        assert isinstance(played.error, BotNotFoundError)


@pytest.mark.parametrize("many", [True, False], ids=["a list", "one object"])
def test_files_of_a_message_may_be_a_list_or_one_object(agent: GPTBotsAgent, got: Any, many: bool) -> None:
    file = {"url": "https://x.example.com/1.png", "format": "png", "name": "1.png", "size": 9}
    part = {"type": "image", "image": [file] if many else file}
    ((message,), _) = got(agent.history("c-1"), paged(stored("m-1", "user", 1000, words("Look:"), part)))
    assert (message.text, message.media) == ("Look:", (MediaProduced("image", url=file["url"], raw=file),))


def test_pages_are_read_until_one_is_short_or_past_the_end(agent: GPTBotsAgent, got: Any) -> None:
    first = [stored(f"m-{number}", "user", number) for number in range(100)]
    for last in (paged(stored("m-100", "user", 100)), small(PAST_THE_END, 400), small(PAST_THE_END), paged()):
        history, played = got(agent.history("c-1"), paged(*first), last)
        assert len(history) in (100, 101)
        assert [query(request)["page"] for request in played.requests] == [["1"], ["2"]]


def test_a_server_that_gives_its_first_page_for_ever_is_asked_twice(agent: GPTBotsAgent, got: Any) -> None:
    first = paged(*(stored(f"m-{number}", "user", number) for number in range(100)))
    history, played = got(agent.history("c-1"), first, first)
    assert (len(history), len(played.requests)) == (100, 2)


@pytest.mark.parametrize(
    "body",
    [{}, {"conversation_content": None}, {"conversation_content": 5}, {"conversation_content": [None, 5, "x", []]}],
    ids=str,
)
def test_a_history_in_odd_forms_is_empty(agent: GPTBotsAgent, got: Any, body: Any) -> None:
    assert got(agent.history("c-1"), small(body))[0] == []


@pytest.mark.parametrize(
    "keys",
    [
        {"content": 5},
        {"content": [5]},
        {"content": [{"branch_content": 5}]},
        {"content": [{"branch_content": [5]}]},
        {"create_time": "x"},
        {"create_time": None},
        {"message_id": 5},
        {"feedback": []},
    ],
    ids=str,
)
def test_a_message_with_odd_values_is_one_without_them(agent: GPTBotsAgent, got: Any, keys: Any) -> None:
    ((message,), played) = got(agent.history("c-1"), paged({"role": "user", **keys}))
    assert (played.error, message.role, message.text, message.media, message.rating) == (None, "user", "", (), None)


def test_conversations_are_listed_newest_first(agent: GPTBotsAgent, got: Any) -> None:
    listed = [
        {"conversation_id": f"c-{number}", "user_id": "ann", "recent_chat_time": 1767000000000 + number * 1000}
        for number in range(3)
    ]
    found, played = got(agent.conversations(user="ann", limit=2), small({"list": listed, "total": 3}))
    assert [one.conversation_id for one in found] == ["c-2", "c-1"]
    assert found[0].updated_at == 1767000002
    told = query(played.requests[0])
    assert (told["user_id"], told["conversation_type"], told["page_size"]) == (["ann"], ["API"], ["50"])


@pytest.mark.parametrize(("rating", "word"), [("like", "POSITIVE"), ("dislike", "NEGATIVE"), (None, "CANCELED")])
def test_a_rating_is_the_platforms_word(agent: GPTBotsAgent, got: Any, rating: Any, word: str) -> None:
    _, played = got(agent.feedback("m-1", rating), small({"affectCount": 1}))
    assert (played.error, played.paths) == (None, ["/v1/message/feedback"])
    assert played.posted == [{"answer_id": "m-1", "feedback": word}]


@pytest.mark.parametrize("nothing", [0, "0"], ids=repr)
def test_a_rating_that_changed_nothing_is_an_error_although_http_says_200(
    agent: GPTBotsAgent, got: Any, nothing: Any
) -> None:
    _, played = got(agent.feedback("m-1", "like"), small({"affectCount": nothing}))
    assert isinstance(played.error, BotNotFoundError)


@pytest.mark.parametrize("grade", management.QUALITIES)
def test_a_grade_is_the_platforms_word(agent: GPTBotsAgent, got: Any, grade: str) -> None:
    _, played = got(agent.quality("m-1", grade), small({"affectCount": 1}))
    assert (played.paths, played.posted) == (["/v1/message/quality"], [{"answer_id": "m-1", "quality": grade}])


def test_what_a_rating_cannot_be_is_refused_before_anything_is_sent(agent: GPTBotsAgent, got: Any) -> None:
    for flow in (
        agent.feedback("m-1", "good"),  # type: ignore[arg-type]
        agent.feedback("m-1", "like", comment="Nice"),
        agent.quality("m-1", "GREAT"),
    ):
        _, played = got(flow)
        assert isinstance(played.error, BotUsageError)
        assert played.requests == []


def test_suggestions_are_the_texts_among_what_came(agent: GPTBotsAgent, got: Any) -> None:
    found, played = got(agent.suggestions("m-1"), small({"questions": ["And tomorrow?", None, 5]}))
    assert (found, query(played.requests[0])) == (["And tomorrow?"], {"answer_id": ["m-1"]})
    assert got(agent.suggestions("m-1"), small({"questions": None}))[0] == []
    _, played = got(agent.suggestions("m-1"), small({"code": 200222, "msg": "switched off"}))
    assert isinstance(played.error, BotRejectedError)
