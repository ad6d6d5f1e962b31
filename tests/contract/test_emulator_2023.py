"""The emulator as the document of spring 2023 has it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import FERRY, UNKNOWN_ID, ask_raw, bearer, get, post


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("2023", token_delay_s=0, held_open_s=60) as running:
        yield running


def lines(emulator: Emulator, query: str, **fields: Any) -> list[dict[str, Any]]:
    blocks = post(emulator, query, **fields).text.split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks if block]


def blocking(emulator: Emulator, query: str, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = post(emulator, query, response_mode="blocking", **fields).json()
    return answer


def test_a_stream_is_text_without_a_name_and_just_ends(emulator: Emulator) -> None:
    raw = ask_raw(emulator, FERRY)
    told = lines(emulator, FERRY)
    assert (raw.status, raw.end) == (200, "complete")
    assert raw.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert {tuple(each) for each in told} == {("id", "answer", "created_at")}
    assert "".join(each["answer"] for each in told).startswith("Turn 1. From ferry.md: The ferry")
    assert len({each["id"] for each in told}) == 1


def test_lines_are_spaced_ascii(emulator: Emulator) -> None:
    raw = post(emulator, "[[emoji]]").content
    assert raw.startswith(b'data: {"id": "')
    assert b'"answer": "\\u4f60"' in raw


def test_a_blocking_answer_has_four_keys(emulator: Emulator) -> None:
    answer = blocking(emulator, "[[echo]] hello")
    assert list(answer) == ["answer", "conversation_id", "created_at", "id"]
    assert answer["answer"] == "hello"


def test_the_conversation_of_a_stream_is_the_first_in_the_list(emulator: Emulator) -> None:
    message_id = lines(emulator, "My cat is called Tilda", user="kim")[0]["id"]
    listed = get(emulator, "conversations", user="kim").json()
    held = listed["data"][0]["id"]
    assert get(emulator, "messages", user="kim", conversation_id=held).json()["data"][0]["id"] == message_id
    again = blocking(emulator, "what did I ask first?", user="kim", conversation_id=held)
    assert again["answer"] == 'Turn 2. You asked first: "My cat is called Tilda"'
    assert list(listed) == ["limit", "has_more", "data"]
    assert list(listed["data"][0]) == ["id", "name", "inputs", "status", "created_at"]


@pytest.mark.parametrize("rating", ["like", "dislike"])
@pytest.mark.parametrize("nothing", [None, ""])
def test_feedback_is_a_bare_word(emulator: Emulator, rating: str, nothing: str | None) -> None:
    answer = blocking(emulator, "hello")
    url = f"{emulator.dify_url}/messages/{answer['id']}/feedbacks"

    def stored(given: str | None) -> dict[str, Any]:
        body = {"rating": given, "user": "ann"}
        assert requests.post(url, json=body, headers=bearer(emulator, "chat"), timeout=5).status_code == 200
        page = get(emulator, "messages", user="ann", conversation_id=answer["conversation_id"]).json()
        assert list(page) == ["has_more", "data"]
        message: dict[str, Any] = page["data"][0]
        return message

    assert stored(rating)["feedback"] == rating
    message = stored(nothing)
    assert message["feedback"] is None
    assert list(message) == ["id", "conversation_id", "inputs", "query", "answer", "feedback", "created_at"]


def test_parameters_are_an_introduction_and_variables(emulator: Emulator) -> None:
    told = get(emulator, "parameters", kind="chat-required", user="ann").json()
    assert list(told) == ["introduction", "variables"]
    city, tone = told["variables"]
    assert list(city) == ["key", "name", "description", "type", "default", "options"]
    assert (city["key"], city["type"], city["options"]) == ("city", "string", None)
    assert (tone["key"], tone["type"], tone["options"]) == ("tone", "select", ["brief", "full"])


@pytest.mark.parametrize(("query", "pieces"), [("Tell me [[fail]]", 0), ("Tell me [[failmid]]", 6)])
def test_a_failure_in_a_stream_is_a_line_without_a_name(emulator: Emulator, query: str, pieces: int) -> None:
    *told, error = lines(emulator, query)
    assert (len(told), list(error)) == (pieces, ["code", "message", "status"])
    assert (error["code"], error["status"]) == ("completion_request_error", 400)


def test_a_failure_of_a_blocking_answer_is_http_400(emulator: Emulator) -> None:
    response = post(emulator, "Tell me [[fail]]", response_mode="blocking")
    assert (response.status_code, list(response.json())) == (400, ["code", "message", "status"])


@pytest.mark.parametrize("kind", ["agent-chat", "advanced-chat", "advanced-chat-required"])
@pytest.mark.parametrize("path", ["chat-messages", "parameters"])
def test_keys_of_later_kinds_of_apps_open_nothing(emulator: Emulator, kind: str, path: str) -> None:
    response = post(emulator, "hello", kind=kind) if path == "chat-messages" else get(emulator, path, kind=kind)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert post(emulator, "hello").status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", f"chat-messages/{UNKNOWN_ID}/stop"), ("GET", "info")])
def test_what_the_document_does_not_have_is_not_there(emulator: Emulator, method: str, path: str) -> None:
    url, headers = f"{emulator.dify_url}/{path}", bearer(emulator, "chat")
    response = requests.request(method, url, json={"user": "ann"}, headers=headers, timeout=5)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_inputs_may_be_left_out_and_are_read_on_each_turn(emulator: Emulator) -> None:
    body = {"query": "[[inputs]]", "user": "ann", "response_mode": "blocking"}
    url, headers = f"{emulator.dify_url}/chat-messages", bearer(emulator, "chat")
    first = requests.post(url, json=body, headers=headers, timeout=5).json()
    assert first["answer"] == '{"guest": null, "notes": null}'
    again = blocking(emulator, "[[inputs]]", conversation_id=first["conversation_id"], inputs={"guest": "Bo"})
    assert again["answer"] == '{"guest": "Bo", "notes": null}'


@pytest.mark.parametrize("query", ["[[bad]]", "[[badinput]]"])
def test_nothing_is_moderated(emulator: Emulator, query: str) -> None:
    told = lines(emulator, query)
    assert {tuple(each) for each in told} == {("id", "answer", "created_at")}
    assert "withdrawn" not in "".join(each["answer"] for each in told)


def test_a_client_that_leaves_loses_the_answer(emulator: Emulator) -> None:
    response = post(emulator, "[[echo]] one two [[slow]]", user="leaver", stream=True)
    next(response.iter_lines(chunk_size=1))
    response.close()
    held = get(emulator, "conversations", user="leaver").json()["data"][0]["id"]
    time.sleep(0.6)
    assert get(emulator, "messages", user="leaver", conversation_id=held).json()["data"][0]["answer"] == ""
