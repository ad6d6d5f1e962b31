"""Asking a GPTBots agent of the emulator. Its forms are the documented ones: no recording of the platform exists."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.gptbots_asking import (
    FERRY,
    UNKNOWN_ID,
    answer_in,
    bearer,
    codes_in,
    conversation,
    frames_in,
    post,
    send_v1,
    send_v2,
    text_in,
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def code_of(response: requests.Response) -> tuple[int, int]:
    body = response.json()
    assert list(body) == ["code", "message"]
    return response.status_code, body["code"]


def test_each_creation_opens_another_conversation(emulator: Emulator) -> None:
    ids = {conversation(emulator, "emp-00417") for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{24}", each) for each in ids)


@pytest.mark.parametrize("user", ["", "x" * 33, 7, None])
def test_a_user_id_has_1_to_32_characters(emulator: Emulator, user: Any) -> None:
    assert code_of(post(emulator, "/v1/conversation", {"user_id": user})) == (400, 40000)
    assert post(emulator, "/v1/conversation", {"user_id": "x" * 32}).status_code == 200


def test_v1_streams_text_and_end_and_no_ids(emulator: Emulator) -> None:
    frames = frames_in(send_v1(emulator, FERRY))
    assert codes_in(frames) == [3, 0]
    assert "pier 3" in text_in(frames)
    assert frames[0] == {"code": 3, "message": "Text", "data": "Turn"}
    assert frames[-1] == {"code": 0, "message": "End", "data": None}


def test_v1_blocking_has_the_documented_shape(emulator: Emulator) -> None:
    held = conversation(emulator, kind="gptbots-flow")
    body = send_v1(emulator, FERRY, held=held, kind="gptbots-flow", response_mode="blocking").json()
    assert set(body) == {"message_id", "message_type", "text", "flow_output", "create_time", "conversation_id"}
    assert (body["message_type"], body["conversation_id"]) == ("ANSWER", held)
    assert body["flow_output"] == [{"content": body["text"], "branch": None, "from_component_name": "Answerer"}]
    assert body["create_time"] < 10**11


def test_v2_streams_the_id_first_and_the_cost_before_the_end(emulator: Emulator) -> None:
    frames = frames_in(send_v2(emulator, FERRY))
    assert codes_in(frames) == [11, 3, 4, 0]
    assert re.fullmatch("[0-9a-f]{24}", frames[0]["data"]["message_id"])
    cost = frames[-2]["data"]
    assert cost["total_tokens"] == cost["prompt_tokens"] + cost["completion_tokens"]
    assert cost["completion_tokens"] == sum(frame["code"] == 3 for frame in frames)


def test_v2_blocking_has_the_documented_shape(emulator: Emulator) -> None:
    held = conversation(emulator)
    body = send_v2(emulator, FERRY, held=held, mode="blocking", corner_citation=True).json()
    assert list(body) == ["create_time", "conversation_id", "message_id", "output", "usage", "citations"]
    assert body["conversation_id"] == held
    assert set(body["output"][0]) == {"from_component_branch", "from_component_name", "content"}
    assert body["usage"]["tokens"]["total_tokens"] > 0
    priced = body["usage"]["credits"]
    assert priced["total_credits"] == pytest.approx(priced["text_input_credits"] + priced["text_output_credits"])


def test_citations_are_flat_in_a_body_and_nested_in_a_stream(emulator: Emulator) -> None:
    body = send_v2(emulator, FERRY, mode="blocking", corner_citation=True).json()
    frames = frames_in(send_v2(emulator, FERRY, corner_citation=True))
    assert codes_in(frames) == [11, 3, 83, 20, 4, 0]
    found, cited = (next(frame["data"] for frame in frames if frame["code"] == code) for code in (83, 20))
    pairs = {
        "index": "index",
        "name": "name",
        "segment_id": "segmentId",
        "segment_index": "segmentIndex",
        "data_id": "dataId",
        "bot_id": "botId",
        "content": "content",
    }
    for flat, nested in zip(body["citations"], cited, strict=True):
        assert list(nested) == ["citation"]
        assert {ours: nested["citation"][theirs] for ours, theirs in pairs.items()} == {
            ours: flat[ours] for ours in pairs
        }
        assert nested["citation"]["timestampMillis"] > 10**11 < flat["timestamp_millis"]
    assert [each["segmentId"] for each in found] == [each["citation"]["segmentId"] for each in cited]
    assert re.findall(r"\$\[(\d+)\]\$", text_in(frames)) == [each["index"] for each in body["citations"]]


def test_marks_are_cut_between_frames(emulator: Emulator) -> None:
    frames = frames_in(send_v2(emulator, FERRY, corner_citation=True))
    assert not any("$[1]$" in str(frame["data"]) for frame in frames if frame["code"] == 3)


def test_without_corner_citation_there_are_no_marks(emulator: Emulator) -> None:
    assert "citations" not in send_v2(emulator, FERRY, mode="blocking").json()
    assert "$[" not in text_in(frames_in(send_v2(emulator, FERRY)))


@pytest.mark.parametrize(
    ("tag", "codes"),
    [
        ("thought", [11, 41, 3, 4, 0]),
        ("audio", [11, 39, 4, 0]),
        ("handoff", [11, 3, 36, 4, 0]),
        ("tools", [11, 3, 5, 6, 3, 4, 0]),
        ("flow", [11, 10, 4, 0]),
        ("empty", [11, 4, 0]),
    ],
)
def test_a_tag_asks_for_other_frames(emulator: Emulator, tag: str, codes: list[int]) -> None:
    assert codes_in(frames_in(send_v2(emulator, f"{FERRY} [[{tag}]]"))) == codes


def test_a_flow_agent_tells_its_output_beside_the_text(emulator: Emulator) -> None:
    for send, codes in ((send_v1, [3, 10, 0]), (send_v2, [11, 3, 10, 4, 0])):
        frames = frames_in(send(emulator, FERRY, kind="gptbots-flow"))
        assert codes_in(frames) == codes
        output = next(frame["data"] for frame in frames if frame["code"] == 10)
        assert output == [{"content": text_in(frames), "branch": None, "from_component_name": "Answerer"}]


def test_audio_comes_as_transcript_and_then_as_sound(emulator: Emulator) -> None:
    frames = frames_in(send_v2(emulator, f"{FERRY} [[audio]]"))
    pieces = [frame["data"] for frame in frames if frame["code"] == 39]
    assert "pier 3" in "".join(piece["transcript"] for piece in pieces)
    sound = b"".join(base64.b64decode(piece["audioAnswer"]) for piece in pieces)
    assert sound.startswith(b"RIFF")
    assert all(bool(piece["transcript"]) != bool(piece["audioAnswer"]) for piece in pieces)


def test_spoken_outputs_have_their_sound_beside_a_made_up_sentence(emulator: Emulator) -> None:
    frames = frames_in(send_v2(emulator, f"{FERRY} [[flow]] [[audio]]"))
    assert codes_in(frames) == [11, 10, 4, 0]
    for item in frames[1]["data"]:
        (sound,) = item["audioDatas"]
        assert sound["url"] in item["content"]
        assert sound["transcript"] in item["content"]
        fetched = requests.get(sound["url"], timeout=5)
        assert fetched.content.startswith(b"RIFF")


def test_a_model_that_fails_at_once_is_an_error_body(emulator: Emulator) -> None:
    assert code_of(send_v2(emulator, "[[fail]]")) == (500, 50000)


def test_a_model_that_fails_later_is_a_frame_without_an_end(emulator: Emulator) -> None:
    for send in (send_v1, send_v2):
        frames = frames_in(send(emulator, f"{FERRY} [[failmid]]"))
        assert frames[-1]["code"] == 50000
        assert text_in(frames) == "Turn 1. From ferry."
    assert code_of(send_v2(emulator, f"{FERRY} [[failmid]]", mode="blocking")) == (500, 50000)


def test_settings_of_one_version_mean_nothing_in_the_other(emulator: Emulator) -> None:
    body = {
        "conversation_id": conversation(emulator),
        "response_mode": "blocking",
        "messages": [{"role": "user", "content": FERRY}],
        "knowledge": {"data_ids": []},
    }
    assert "pier 3" in answer_in(post(emulator, "/v2/conversation/message", body))


def test_files_are_accepted_in_both_forms(emulator: Emulator) -> None:
    picture = {"base64_content": base64.b64encode(b"x").decode(), "format": "png", "name": "a.png"}
    for given in (picture, [picture]):
        assert "You sent a.png." in answer_in(send_v2(emulator, [{"type": "image", "image": given}], mode="blocking"))
    assert "You sent a.png." in text_in(frames_in(send_v1(emulator, "", files=[{"url": "https://x.example/a.png"}])))


def test_the_same_seed_gives_the_same_bytes() -> None:
    bodies = []
    for _ in range(2):
        with Emulator(token_delay_s=0, seed=7) as fresh:
            bodies.append(send_v2(fresh, FERRY, corner_citation=True).content)
            other = fresh.gptbots_key
    with Emulator(seed=8) as elsewhere:
        assert elsewhere.gptbots_key != other
    assert bodies[0] == bodies[1]


def test_requests_tell_the_agent_and_keep_the_key_to_themselves() -> None:
    with Emulator(token_delay_s=0) as fresh:
        send_v2(fresh, FERRY, kind="gptbots-flow")
        created, sent = fresh.requests
        assert (created.path, sent.path) == ("/gptbots/v1/conversation", "/gptbots/v2/conversation/message")
        assert (created.app, created.body) == ("gptbots-flow", {"user_id": "ann"})
        assert sent.body["messages"][0]["content"] == FERRY
        assert fresh.key("gptbots-flow") not in repr(fresh.requests)


def test_a_key_of_one_platform_is_none_of_the_other(emulator: Emulator) -> None:
    assert re.fullmatch("app-[A-Za-z0-9]{24}", emulator.gptbots_key)
    assert code_of(post(emulator, "/v1/conversation", {"user_id": "ann"}, kind="chat")) == (401, 40127)
    info = requests.get(f"{emulator.dify_url}/info", headers=bearer(emulator), timeout=5)
    assert info.status_code == 401
    assert code_of(send_v2(emulator, FERRY, held=UNKNOWN_ID)) == (404, 40356)


def test_an_emulator_that_does_not_run_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Emulator().gptbots_url


async def test_it_runs_in_the_callers_event_loop_too() -> None:
    async with Emulator(token_delay_s=0) as running, aiohttp.ClientSession(headers=bearer(running)) as session:
        async with session.post(f"{running.gptbots_url}/v1/conversation", json={"user_id": "ann"}) as created:
            held = (await created.json())["conversation_id"]
        body = {"conversation_id": held, "response_mode": "streaming", "text": FERRY}
        async with session.post(f"{running.gptbots_url}/v1/conversation/message", json=body) as response:
            assert b"pier" in await response.read()


def test_a_stream_that_the_client_left_does_not_hold_up_the_next(emulator: Emulator) -> None:
    held = conversation(emulator)
    body = {"conversation_id": held, "response_mode": "streaming", "text": "[[slow]]"}
    url = f"{emulator.gptbots_url}/v1/conversation/message"
    with requests.post(url, json=body, headers=bearer(emulator), timeout=5, stream=True) as response:
        assert next(response.iter_lines(chunk_size=1)).startswith(b"data:")
    assert "pier 3" in text_in(frames_in(send_v1(emulator, FERRY, held=held)))
