"""What the emulator keeps and tells of conversations, against recordings of the servers that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    AGES,
    FERRY,
    UNKNOWN_ID,
    bearer,
    get,
    post,
    recorded_body,
    recording,
    shape,
    turn,
)

GUEST = {"guest": "Ann", "notes": None}


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {
            age: stack.enter_context(Emulator(age, token_delay_s=0, held_open_s=0.02, idle_limit_s=0.05))
            for age in ("2023", *AGES)
        }


def both(*names: str) -> list[Any]:
    """Return a case for each recording in each age."""
    return [pytest.param(age, name, id=f"{age}-{name}") for name in names for age in AGES]


def send(emulator: Emulator, method: str, path: str, *, kind: str = "chat", **body: Any) -> requests.Response:
    url, headers = f"{emulator.dify_url}/{path}", bearer(emulator, kind)
    return requests.request(method, url, json={"user": "ann", **body}, headers=headers, timeout=5)


def asked(emulator: Emulator, *queries: str, **fields: Any) -> dict[str, Any]:
    """Ask in one conversation; return the whole answer to the last question."""
    held, answer = "", {}
    for query in queries:
        answer = post(emulator, query, response_mode="blocking", conversation_id=held, **fields).json()
        held = answer["conversation_id"]
    return answer


@pytest.mark.parametrize(("age", "name"), both("conversation-rename", "conversation-rename-auto"))
def test_a_renamed_conversation_is_told_as_recorded(emulators: dict[str, Emulator], age: str, name: str) -> None:
    held = asked(emulators[age], FERRY, inputs=GUEST)["conversation_id"]
    request, theirs = recording(age, name)["request"]["body"], recorded_body(age, name)
    response = send(emulators[age], "POST", f"conversations/{held}/name", **{**request, "user": "ann"})
    ours = response.json()
    assert (response.status_code, shape(ours)) == (200, shape(theirs))
    assert ours["name"] == request.get("name", f"About: {FERRY}")
    # A name that is given is a change, one that is found is none.
    assert (ours["updated_at"] > ours["created_at"]) == ("name" in request)
    assert get(emulators[age], "conversations", user="ann").json()["data"][0]["name"] == ours["name"]


def test_2023_says_no_more_of_a_name_than_that_it_is_kept(emulators: dict[str, Emulator]) -> None:
    emulator = emulators["2023"]
    held = asked(emulator, FERRY, user="namer")["conversation_id"]
    renamed = send(emulator, "POST", f"conversations/{held}/name", name="Trip", user="namer")
    assert renamed.json() == {"result": "success"}
    assert [each["name"] for each in get(emulator, "conversations", user="namer").json()["data"]] == ["Trip"]
    automatic = send(emulator, "POST", f"conversations/{held}/name", auto_generate=True, user="namer")
    assert (automatic.status_code, automatic.json()["params"]) == (400, "name")


@pytest.mark.parametrize(
    ("age", "status", "body"),
    [("2023", 200, b'{"result": "success"}'), ("0.15", 200, b'{"result": "success"}'), ("1.14", 204, b"")],
)
def test_a_deleted_conversation_is_gone(emulators: dict[str, Emulator], age: str, status: int, body: bytes) -> None:
    emulator = emulators[age]
    held = [asked(emulator, FERRY, user="deleter")["conversation_id"] for _ in range(2)]

    deleted = send(emulator, "DELETE", f"conversations/{held[0]}", user="deleter")

    assert (deleted.status_code, deleted.content.strip()) == (status, body)
    assert [each["id"] for each in get(emulator, "conversations", user="deleter").json()["data"]] == [held[1]]
    assert get(emulator, "messages", user="deleter", conversation_id=held[0]).status_code == 404
    assert send(emulator, "DELETE", f"conversations/{held[0]}", user="deleter").status_code == 404
    # What comes after has an id of its own.
    assert asked(emulator, FERRY, user="deleter")["conversation_id"] not in held


@pytest.mark.parametrize(("age", "name"), both("suggested", "chat-suggested-after-answer"))
def test_suggestions_are_told_as_recorded(emulators: dict[str, Emulator], age: str, name: str) -> None:
    message_id = asked(emulators[age], FERRY)["message_id"]
    ours = get(emulators[age], f"messages/{message_id}/suggested", user="ann").json()
    theirs = recorded_body(age, name)
    assert shape(ours) == shape(theirs)
    assert len(ours["data"]) == len(theirs["data"])
    assert ours["data"][0] == "What else does ferry.md say?"


@pytest.mark.parametrize(
    ("age", "name", "kind"),
    [
        *(pytest.param(age, "failed-chat-5-suggested", "chat", id=f"{age}-chat") for age in AGES),
        *(pytest.param(age, "failed-agent-5-suggested", "agent-chat", id=f"{age}-agent") for age in AGES),
        *(pytest.param(age, "chatflow-suggested", "advanced-chat", id=f"{age}-chatflow") for age in AGES),
    ],
)
def test_there_are_suggestions_after_a_failed_turn_too(
    emulators: dict[str, Emulator], age: str, name: str, kind: str
) -> None:
    query = "Tell me [[fail]]" if name.startswith("failed") else FERRY
    message_id = next(e["message_id"] for e in turn(emulators[age], query, kind=kind) if "message_id" in e)
    ours = get(emulators[age], f"messages/{message_id}/suggested", kind=kind, user="ann").json()
    assert shape(ours) == shape(recorded_body(age, name))


@pytest.mark.parametrize("age", AGES)
def test_an_app_that_suggests_nothing_says_so_where_the_message_is_known(
    emulators: dict[str, Emulator], age: str
) -> None:
    emulator, kind = emulators[age], "chat-required"
    assert get(emulator, "parameters", kind=kind).json()["suggested_questions_after_answer"] == {"enabled": False}
    message_id = asked(emulator, "Hi", kind=kind, inputs={"city": "Bergen"})["message_id"]
    response = get(emulator, f"messages/{message_id}/suggested", kind=kind, user="ann")
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert get(emulator, f"messages/{UNKNOWN_ID}/suggested", kind=kind, user="ann").status_code == 404


def test_a_conversation_without_variables_has_an_empty_list_as_recorded(emulators: dict[str, Emulator]) -> None:
    held = asked(emulators["1.14"], FERRY)["conversation_id"]
    response = get(emulators["1.14"], f"conversations/{held}/variables", user="ann")
    assert response.text == recording("1.14", "conversation-variables")["response"]["body"]


def test_the_variables_of_a_chatflow_are_text_as_python_prints_it(emulators: dict[str, Emulator]) -> None:
    emulator, kind = emulators["1.14"], "advanced-chat"
    held = asked(emulator, FERRY, kind=kind)["conversation_id"]
    path = f"conversations/{held}/variables"

    told = get(emulator, path, kind=kind, user="ann").json()["data"]

    assert {tuple(each) for each in told} == {
        ("id", "name", "value_type", "value", "description", "created_at", "updated_at")
    }
    assert [(each["name"], each["value"]) for each in told] == [
        ("language", "en"),
        ("party", "1"),
        ("stops", "[]"),
        ("consent", "False"),
        ("booking", "{}"),
    ]
    put = send(emulator, "PUT", f"{path}/{told[2]['id']}", kind=kind, value=["pier 3", "the captain's"])
    assert (put.status_code, put.json()["value"]) == (200, "['pier 3', \"the captain's\"]")
    named = get(emulator, path, kind=kind, user="ann", variable_name="stops").json()["data"]
    assert named == [put.json()]
    pages = [get(emulator, path, kind=kind, user="ann", limit=3).json()]
    pages.append(get(emulator, path, kind=kind, user="ann", limit=3, last_id=pages[0]["data"][-1]["id"]).json())
    assert [(page["has_more"], len(page["data"])) for page in pages] == [(True, 3), (False, 2)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("language", 1), ("party", "2"), ("party", True), ("stops", ["a", 1]), ("consent", 0), ("booking", [])],
)
def test_a_variable_takes_no_value_of_another_type(emulators: dict[str, Emulator], name: str, value: Any) -> None:
    emulator, kind = emulators["1.14"], "advanced-chat"
    path = f"conversations/{asked(emulator, FERRY, kind=kind)['conversation_id']}/variables"
    (told,) = get(emulator, path, kind=kind, user="ann", variable_name=name).json()["data"]
    response = send(emulator, "PUT", f"{path}/{told['id']}", kind=kind, value=value)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert get(emulator, path, kind=kind, user="ann", variable_name=name).json()["data"] == [told]
    assert send(emulator, "PUT", f"{path}/{told['id']}", kind=kind).json()["code"] == "invalid_param"
    unknown = send(emulator, "PUT", f"{path}/{UNKNOWN_ID}", kind=kind, value=value)
    assert (unknown.status_code, unknown.json()["message"]) == (404, "Conversation Variable Not Exists.")


@pytest.mark.parametrize(
    ("age", "path"),
    [
        ("2023", f"messages/{UNKNOWN_ID}/suggested"),
        ("2023", f"conversations/{UNKNOWN_ID}/variables"),
        ("0.15", f"conversations/{UNKNOWN_ID}/variables"),
        ("1.14", "conversations/not-a-uuid/variables"),
        ("1.14", "messages/not-a-uuid/suggested"),
    ],
)
def test_what_is_not_there_is_a_web_page(emulators: dict[str, Emulator], age: str, path: str) -> None:
    response = get(emulators[age], path, user="ann")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


REFUSALS = both(
    "err-conversation-delete-no-body",
    "err-conversation-delete-other-user",
    "err-conversation-rename-nothing",
    "err-feedback-bad-rating",
    "err-feedback-other-user",
    "err-feedback-unknown-message",
    "err-messages-deleted-conversation",
    "conversations-no-user",
    "conversations-unknown-user",
    "chat-stop-after-the-end",
)


@pytest.mark.parametrize(("age", "name"), REFUSALS)
def test_a_small_call_is_answered_in_the_recorded_words(emulators: dict[str, Emulator], age: str, name: str) -> None:
    request, expected = recording(age, name)["request"], recording(age, name)["response"]
    url = emulators[age].dify_url.removesuffix("/v1") + request["path"]
    headers = bearer(emulators[age], "chat")
    response = requests.request(request["method"], url, json=request["body"], headers=headers, timeout=5)
    assert (response.status_code, response.text) == (expected["status"], expected["body"])
    for header in ("Content-Type", "Access-Control-Allow-Origin", "X-Version", "Vary"):
        assert response.headers.get(header) == expected["headers"].get(header)


@pytest.mark.parametrize("age", AGES)
def test_what_a_known_conversation_and_answer_are_refused_is_in_the_recorded_words(
    emulators: dict[str, Emulator], age: str
) -> None:
    answer = asked(emulators[age], FERRY)
    page = get(emulators[age], "messages", user="ann", conversation_id=answer["conversation_id"], first_id=UNKNOWN_ID)
    assert page.text == recording(age, "err-messages-unknown-first-id")["response"]["body"]
    unrated = send(emulators[age], "POST", f"messages/{answer['message_id']}/feedbacks", rating=None)
    assert unrated.text == recording(age, "err-feedback-null-when-none")["response"]["body"]


@pytest.mark.parametrize("age", AGES)
def test_a_page_loses_the_turns_of_its_oldest_second_as_recorded(emulators: dict[str, Emulator], age: str) -> None:
    seconds = [each["created_at"] for each in recorded_body(age, "messages-same-second-all")["data"]]
    # Asked as it was recorded: each in the second of the one before, or in one of its own.
    tags = ["[[same]] " if at in seconds[:place] else "" for place, at in enumerate(seconds)]
    queries = [f"{tag}Xyzzy{place}" for place, tag in enumerate(tags)]
    held = asked(emulators[age], *queries, inputs=GUEST)["conversation_id"]

    def page(**query: Any) -> dict[str, Any]:
        told: dict[str, Any] = get(emulators[age], "messages", user="ann", conversation_id=held, **query).json()
        return told

    whole, newest = page(), page(limit=2)
    assert shape(whole) == shape(recorded_body(age, "messages-same-second-all"))
    assert shape(newest) == shape(recorded_body(age, "messages-same-second-page-1"))
    assert sorted(each["query"][-1] for each in whole["data"]) == [str(place) for place in range(len(seconds))]
    before = page(first_id=newest["data"][0]["id"])
    lost = len(seconds) - len(newest["data"]) - len(before["data"])
    assert lost == {"0.15": 3, "1.14": 0}[age]


def test_2023_begins_a_page_with_the_newest_message(emulators: dict[str, Emulator]) -> None:
    held = asked(emulators["2023"], "one", "two", "three")["conversation_id"]
    page = get(emulators["2023"], "messages", user="ann", conversation_id=held, limit=2).json()
    assert ([each["query"] for each in page["data"]], page["has_more"]) == (["three", "two"], True)
