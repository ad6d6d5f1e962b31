"""What the GPTBots side of the emulator refuses, by which code."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.gptbots_asking import (
    FERRY,
    UNKNOWN_ID,
    bearer,
    codes_in,
    conversation,
    frames_in,
    get,
    post,
    send_v1,
    send_v2,
)

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def code_of(response: requests.Response) -> tuple[int, int]:
    body = response.json()
    assert list(body) == ["code", "message"]
    return response.status_code, body["code"]


def encoded(length: int) -> str:
    return base64.b64encode(b"\0" * length).decode()


@pytest.mark.parametrize("scheme", ["Bearer nonsense", "Basic abc", "", "Bearer"])
def test_any_other_key_is_40127(emulator: Emulator, scheme: str) -> None:
    url = f"{emulator.gptbots_url}/v1/api-key/verify"
    assert code_of(requests.get(url, headers={"Authorization": scheme}, timeout=5)) == (401, 40127)
    assert code_of(requests.get(url, timeout=5)) == (401, 40127)


def test_an_agent_whose_api_is_off_is_20055(emulator: Emulator) -> None:
    assert code_of(post(emulator, "/v1/conversation", {"user_id": "ann"}, kind="gptbots-api-off")) == (403, 20055)
    assert code_of(get(emulator, "/v1/bot/detail", kind="gptbots-api-off")) == (403, 20055)


def test_a_deleted_agent_has_another_code_on_older_pages(emulator: Emulator) -> None:
    kind = "gptbots-deleted"
    assert code_of(post(emulator, "/v1/conversation", {"user_id": "ann"}, kind=kind)) == (400, 40378)
    assert code_of(send_v2(emulator, FERRY, held=UNKNOWN_ID, kind=kind)) == (400, 20059)
    assert code_of(post(emulator, "/v1/vector/match", {"prompt": "x", "top_k": 1}, kind=kind)) == (400, 20059)
    assert code_of(get(emulator, "/v1/next/question", answer_id=UNKNOWN_ID, kind=kind)) == (400, 40378)


def test_spent_credits_have_another_code_for_sending(emulator: Emulator) -> None:
    kind = "gptbots-no-credits"
    held = conversation(emulator, kind=kind)
    assert code_of(send_v1(emulator, FERRY, held=held, kind=kind)) == (402, 20022)
    assert code_of(send_v2(emulator, FERRY, held=held, kind=kind)) == (402, 20022)
    assert code_of(get(emulator, "/v1/correlate/dataset", message_id=UNKNOWN_ID, kind=kind)) == (402, 40379)


def test_answers_cost_credits_until_none_are_left() -> None:
    with Emulator(token_delay_s=0, agent_credits=0.005) as fresh:
        held = conversation(fresh)
        # The memory grows and with it the price of each turn.
        for _ in range(100):
            response = send_v2(fresh, "ferry " * 1900, held=held, mode="blocking")
            if response.status_code != 200:
                break
        assert code_of(response) == (402, 20022)


def test_an_agent_has_as_many_credits_as_the_emulator_is_told() -> None:
    with Emulator(token_delay_s=0, agent_credits=0.001) as poor, Emulator(token_delay_s=0, agent_credits=1e9) as rich:
        statuses = []
        for emulator in (poor, rich):
            held = conversation(emulator)
            sent = [send_v2(emulator, "ferry " * 1900, held=held, mode="blocking") for _ in range(2)]
            statuses.append([response.status_code for response in sent])
    assert statuses == [[200, 402], [200, 200]]


def test_an_unknown_conversation_is_40356(emulator: Emulator) -> None:
    assert code_of(send_v1(emulator, FERRY, held=UNKNOWN_ID)) == (404, 40356)
    assert code_of(send_v2(emulator, FERRY, held=UNKNOWN_ID)) == (404, 40356)


def test_another_agents_conversation_is_40358(emulator: Emulator) -> None:
    held = conversation(emulator)
    assert code_of(send_v1(emulator, FERRY, held=held, kind="gptbots-flow")) == (403, 40358)
    assert code_of(send_v2(emulator, FERRY, held=held, kind="gptbots-flow")) == (403, 40358)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": 7},
        {"text": None, "files": []},
        {"response_mode": None},
        {"response_mode": "later"},
        {"conversation_id": None},
        {"short_term_memory": "yes"},
        {"knowledge": []},
        {"knowledge": {"data_ids": "all"}},
        {"files": [{"name": "a.png"}]},
        {"files": [{"url": "https://x.example/a.png"}] * 10},
        {"files": [{"base64_content": "data:image/png;base64,eA==", "name": "a.png"}]},
    ],
)
def test_wrong_fields_of_v1_are_40000(emulator: Emulator, fields: dict[str, Any]) -> None:
    usual = {"conversation_id": conversation(emulator), "response_mode": "streaming", "text": FERRY}
    assert code_of(post(emulator, "/v1/conversation/message", {**usual, **fields})) == (400, 40000)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": "hello"},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        {"messages": [{"role": "user", "content": [{"type": "video", "video": []}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "image": [{"url": "https://x"}] * 10}]}]},
        {"conversation_config": {"corner_citation": 1}},
        {"conversation_config": {"knowledge": {"group_ids": [1]}}},
        {"conversation_config": {"custom_variables": []}},
    ],
)
def test_wrong_fields_of_v2_are_40000(emulator: Emulator, fields: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": FERRY}]
    usual = {"conversation_id": conversation(emulator), "response_mode": "streaming", "messages": messages}
    assert code_of(post(emulator, "/v2/conversation/message", {**usual, **fields})) == (400, 40000)


@pytest.mark.parametrize(
    ("mib", "name"),
    [(5, "a.mp3"), *(pytest.param(*one, marks=pytest.mark.matrix) for one in ((10, "a.png"), (20, "a.pdf")))],
)
def test_a_file_beyond_the_largest_size_is_40000(emulator: Emulator, mib: int, name: str) -> None:
    files = [{"base64_content": encoded(mib * MIB + 1), "name": name}]
    assert code_of(send_v1(emulator, "hello", files=files)) == (400, 40000)


def test_files_of_the_largest_size_are_taken(emulator: Emulator) -> None:
    files = [{"base64_content": encoded(5 * MIB), "name": "a.mp3"}]
    assert codes_in(frames_in(send_v1(emulator, "hello", files=files))) == [3, 0]


def test_a_picture_needs_a_model_that_sees(emulator: Emulator) -> None:
    picture = [{"type": "image", "image": [{"url": "https://x.example/a.png", "format": "png"}]}]
    files = [{"url": "https://x.example/a.png"}]
    assert code_of(send_v2(emulator, picture, kind="gptbots-text")) == (400, 40364)
    assert code_of(send_v1(emulator, "look", kind="gptbots-text", files=files)) == (400, 40364)


def test_a_question_beyond_the_agents_limit_is_20040(emulator: Emulator) -> None:
    limit = get(emulator, "/v1/bot/detail").json()["question_limit"]
    assert code_of(send_v2(emulator, "word " * (limit + 1))) == (400, 20040)
    assert codes_in(frames_in(send_v2(emulator, ("word " * limit).strip())))[-1] == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"user_id": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_40000(emulator: Emulator, raw: bytes) -> None:
    url = f"{emulator.gptbots_url}/v1/conversation"
    assert code_of(requests.post(url, data=raw, headers=bearer(emulator), timeout=5)) == (400, 40000)


def test_a_wrong_method_and_a_wrong_path_have_no_code(emulator: Emulator) -> None:
    wrong = get(emulator, "/v2/conversation/message"), get(emulator, "/v3/messages")
    assert [(each.status_code, each.text) for each in wrong] == [(405, "Method Not Allowed"), (404, "Not Found")]


def test_what_is_refused_leaves_no_trace(emulator: Emulator) -> None:
    held = conversation(emulator)
    send_v1(emulator, "", held=held)
    page = get(emulator, "/v2/messages", conversation_id=held, page=1, page_size=10).json()
    assert page == {"total": 0, "conversation_content": []}
