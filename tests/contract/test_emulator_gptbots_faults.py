"""What the GPTBots side of the emulator does wrong on request, and only then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import (
    CommentLines,
    CrLf,
    Cut,
    DuplicateEnd,
    EmptyOutput,
    Emulator,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ErrorsAt200,
    ExtraPings,
    Fault,
    FlowDuplicate,
    FlowOnly,
    Framing,
    Glue,
    Gzip,
    Hang,
    HtmlPage,
    HugeEvent,
    JsonAnswer,
    LateAnswer,
    LateCitations,
    NumbersAsText,
    OneByteWrites,
    RateLimit,
    ReducedErrorEvent,
    Reset,
    SplitCharacters,
    Stall,
    StringContent,
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    V2Missing,
    WrappedError,
    WrongCharset,
)
from tests.contract.gptbots_asking import (
    FERRY,
    answer_in,
    bearer,
    codes_in,
    conversation,
    frames_in,
    get,
    post,
    send_v1,
    send_v2,
    text_in,
)

SILENCE_S = 0.3
ALL = "/gptbots/*"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def plain() -> bytes:
    """Return the stream of a fresh server when nothing goes wrong."""
    with Emulator(token_delay_s=0) as fresh:
        return send_v2(fresh, FERRY).content


def objects_in(text: str) -> list[dict[str, Any]]:
    """Return JSON objects, whatever stands between them."""
    found, place, decoder = [], 0, json.JSONDecoder()
    while (place := text.find("{", place)) >= 0:
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


def open_stream(emulator: Emulator, text: str = FERRY) -> requests.Response:
    body = {
        "conversation_id": conversation(emulator),
        "response_mode": "streaming",
        "messages": [{"role": "user", "content": text}],
    }
    url = f"{emulator.gptbots_url}/v2/conversation/message"
    return requests.post(url, json=body, headers=bearer(emulator), timeout=SILENCE_S, stream=True)


def read_all(emulator: Emulator) -> tuple[bytes, bool]:
    """Return what came of a stream, and whether it came to its end."""
    received = b""
    try:
        with open_stream(emulator) as response:
            for chunk in response.iter_content(1):
                received += chunk
    except requests.RequestException:
        return received, False
    return received, True


def two_frames() -> bytes:
    return b"".join(block + b"\n\n" for block in plain().split(b"\n\n")[:2])


@pytest.mark.parametrize(
    ("form", "begins", "ends"),
    [
        ("sse", b'data: {"code":11', b"}\n\n"),
        ("sse-nospace", b'data:{"code":11', b"}\n\n"),
        ("ndjson", b'{"code":11', b"}\n"),
        ("glued", b'{"code":11', b'"data":null}'),
        ("crlf", b'data: {"code":11', b"}\r\n\r\n"),
    ],
)
def test_frames_can_be_written_in_five_ways(emulator: Emulator, form: Any, begins: bytes, ends: bytes) -> None:
    emulator.faults.add(Framing(form))
    body = send_v2(emulator, FERRY).content
    assert body.startswith(begins)
    assert body.endswith(ends)
    assert (b"\n" in body, b"\r" in body) == (form != "glued", form == "crlf")
    assert objects_in(body.decode()) == objects_in(plain().decode())


@pytest.mark.parametrize("size_bytes", [1, 7])
def test_the_stream_can_be_cut_anywhere(emulator: Emulator, size_bytes: int) -> None:
    emulator.faults.add(Trickle(size_bytes, delay_s=0))
    with open_stream(emulator, "[[emoji]]") as response:
        pieces = list(response.raw.stream(1, decode_content=False))
    assert "🌍" in text_in(objects_in(b"".join(pieces).decode()))


@pytest.mark.parametrize("fault", [CrLf(), Glue(), Gzip(), OneByteWrites(), SplitCharacters(), WrongCharset()])
def test_faults_of_the_wire_leave_the_frames_alone(emulator: Emulator, fault: Fault) -> None:
    emulator.faults.add(fault)
    response = send_v2(emulator, FERRY)
    assert objects_in(response.content.decode()) == objects_in(plain().decode())
    assert (b"\r\n" in response.content) == isinstance(fault, CrLf)
    assert response.headers.get("Content-Encoding") == ("gzip" if isinstance(fault, Gzip) else None)
    assert ("8859" in response.headers["Content-Type"]) == isinstance(fault, WrongCharset)


@pytest.mark.parametrize("kind", [Cut, Reset])
@pytest.mark.parametrize("after_bytes", [0, 100, 300])
def test_a_broken_connection_gives_so_many_bytes(emulator: Emulator, kind: Any, after_bytes: int) -> None:
    emulator.faults.add(kind(after_bytes))
    received, whole = read_all(emulator)
    assert not whole
    assert received == plain()[:after_bytes]


@pytest.mark.parametrize(
    ("fault", "length"), [(Hang(after_bytes=100), 100), (Hang(before_head=True), 0), (Stall(after_frames=2), None)]
)
def test_silence_comes_where_it_was_put(emulator: Emulator, fault: Fault, length: int | None) -> None:
    emulator.faults.add(fault)
    received, whole = read_all(emulator)
    assert (received, whole) == (plain()[:length] if length is not None else two_frames(), False)


def test_a_stalled_stream_goes_on(emulator: Emulator) -> None:
    emulator.faults.add(Stall(after_frames=1, for_s=SILENCE_S))
    begun = time.monotonic()
    assert send_v2(emulator, FERRY).content == plain()
    assert time.monotonic() - begun >= SILENCE_S


def test_a_stream_can_end_without_an_end(emulator: Emulator) -> None:
    emulator.faults.add(EndEarly())
    assert codes_in(frames_in(send_v2(emulator, FERRY))) == [11, 3, 4]


def test_an_error_can_come_as_a_frame(emulator: Emulator) -> None:
    emulator.faults.add(ErrorEvent(after_events=3, code=20022, message="Insufficient credits"))
    frames = frames_in(send_v2(emulator, FERRY))
    assert codes_in(frames) == [11, 3, 20022]
    assert frames[3:] == [{"code": 20022, "message": "Insufficient credits"}]


def test_an_error_that_has_no_number_is_50000(emulator: Emulator) -> None:
    emulator.faults.add(ErrorEvent(after_events=0))
    assert codes_in(frames_in(send_v2(emulator, FERRY))) == [50000]


def test_an_error_can_be_wrapped(emulator: Emulator) -> None:
    emulator.faults.add(WrappedError(after_frames=2, code=40127))
    frame = frames_in(send_v2(emulator, FERRY))[-1]
    assert (frame["code"], frame["payload"]) == (-50000, {"originalCode": 40127})


def test_an_error_frame_without_words_leaves_the_body_open(emulator: Emulator) -> None:
    emulator.faults.add(ReducedErrorEvent(after_events=1))
    received, whole = read_all(emulator)
    assert not whole
    assert objects_in(received.decode())[1:] == [{"code": 50000}]


def test_unknown_frames_and_keys_can_come_between(emulator: Emulator) -> None:
    emulator.faults.add(UnknownEvents())
    frames = frames_in(send_v2(emulator, FERRY))
    known = [frame for frame in frames if frame["code"] != 999]
    assert len(frames) == 2 * len(known)
    assert all("componentId" in frame for frame in known)
    assert text_in(known) == text_in(objects_in(plain().decode()))


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        (DuplicateEnd(), [11, 3, 4, 0]),
        (TextAfterEnd(), [11, 3, 4, 0, 3]),
        (HugeEvent(size_bytes=100_000), [11, 3, 4, 0]),
        (FlowOnly(), [11, 10, 4, 0]),
        (FlowDuplicate(), [11, 3, 10, 4, 0]),
    ],
)
def test_other_frames_come(emulator: Emulator, fault: Fault, codes: list[int]) -> None:
    emulator.faults.add(fault)
    response = send_v2(emulator, FERRY)
    assert codes_in(frames_in(response)) == codes
    assert response.content.count(b'"End"') == (2 if isinstance(fault, DuplicateEnd) else 1)
    assert (len(response.content) > 100_000) == isinstance(fault, HugeEvent)


@pytest.mark.parametrize(("fault", "line"), [(ExtraPings(), b"event: ping\n\n"), (CommentLines(), b": keep-alive\n")])
def test_lines_that_are_no_frames_can_come_between(emulator: Emulator, fault: Fault, line: bytes) -> None:
    emulator.faults.add(fault)
    body = send_v2(emulator, FERRY).content
    assert body.count(line) == len(objects_in(body.decode()))
    assert body.replace(line, b"") == plain()


@pytest.mark.parametrize("fault", [FlowOnly(), FlowDuplicate()])
def test_a_whole_answer_of_v1_has_its_text_in_the_output(emulator: Emulator, fault: Fault) -> None:
    emulator.faults.add(fault)
    body = send_v1(emulator, FERRY, response_mode="blocking").json()
    assert "pier 3" in body["flow_output"][0]["content"]
    assert ("pier 3" in body["text"]) == isinstance(fault, FlowDuplicate)


def test_an_empty_output_leaves_the_text_to_the_history(emulator: Emulator) -> None:
    emulator.faults.add(EmptyOutput())
    held = conversation(emulator)
    body = send_v2(emulator, FERRY, held=held, mode="blocking").json()
    assert body["output"] == []
    told = get(emulator, "/v2/messages", conversation_id=held, page=1, page_size=10).json()["conversation_content"]
    answer = next(message for message in told if message["message_id"] == body["message_id"])
    assert "pier 3" in answer["content"][0]["branch_content"][0]["text"]


def test_content_can_be_a_plain_string(emulator: Emulator) -> None:
    emulator.faults.add(StringContent())
    assert "pier 3" in send_v2(emulator, FERRY, mode="blocking").json()["output"][0]["content"]


def test_citations_can_be_late_once(emulator: Emulator) -> None:
    emulator.faults.add(LateCitations(), path="/gptbots/v1/correlate/dataset")
    answer = send_v2(emulator, FERRY, mode="blocking").json()["message_id"]
    found = [get(emulator, "/v1/correlate/dataset", message_id=answer).json()["correlate_dataset"] for _ in range(2)]
    assert (found[0], bool(found[1])) == ([], True)


def test_an_answer_can_be_late_once(emulator: Emulator) -> None:
    emulator.faults.add(LateAnswer(), path="/gptbots/v2/messages")
    held = conversation(emulator)
    send_v2(emulator, FERRY, held=held)
    query = {"conversation_id": held, "page": 1, "page_size": 10}
    pages = [get(emulator, "/v2/messages", **query).json()["conversation_content"] for _ in range(2)]
    assert [[each["role"] for each in page] for page in pages] == [["user"], ["assistant", "user"]]


def test_numbers_can_be_text(emulator: Emulator) -> None:
    emulator.faults.add(NumbersAsText(), times=None, path=["/gptbots/v?/messages", "/gptbots/v1/correlate/*"])
    held = conversation(emulator)
    answer = send_v2(emulator, FERRY, held=held, mode="blocking").json()["message_id"]
    for version in ("v1", "v2"):
        page = get(emulator, f"/{version}/messages", conversation_id=held, page=1, page_size=10).json()
        assert page["total"] == "2"
    found = get(emulator, "/v1/correlate/dataset", message_id=answer).json()["correlate_dataset"]
    assert all(float(each["score"]) > 0 and isinstance(each["score"], str) for each in found)


def test_all_refusals_can_come_with_200(emulator: Emulator) -> None:
    emulator.faults.add(ErrorsAt200(), times=None, path=ALL)
    response = post(emulator, "/v1/conversation", {"user_id": ""})
    assert (response.status_code, response.json()["code"]) == (200, 40000)
    assert text_in(frames_in(send_v2(emulator, FERRY)))


@pytest.mark.parametrize("tells_when", [True, False])
def test_more_requests_than_the_limit_are_put_off(emulator: Emulator, tells_when: bool) -> None:
    emulator.faults.add(RateLimit(per_minute=2, tells_when=tells_when), times=None, path=ALL)
    assert send_v2(emulator, FERRY).status_code == 200
    refused = post(emulator, "/v1/conversation", {"user_id": "ann"})
    assert (refused.status_code, refused.json()["code"]) == (429, 40001)
    assert refused.headers.get("Retry-After") == ("60" if tells_when else None)
    assert post(emulator, "/v1/conversation", {"user_id": "ann"}, kind="gptbots-flow").status_code == 200


def test_the_limit_ends_with_its_window(emulator: Emulator) -> None:
    emulator.faults.add(RateLimit(per_minute=1, window_s=0.2), times=None, path=ALL)
    body = {"user_id": "ann"}
    statuses = [post(emulator, "/v1/conversation", body).status_code for _ in range(2)]
    time.sleep(0.25)
    assert [*statuses, post(emulator, "/v1/conversation", body).status_code] == [200, 429, 200]


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_can_know_no_v2(emulator: Emulator, status: int) -> None:
    emulator.faults.add(V2Missing(status), times=None)
    refused = send_v2(emulator, FERRY)
    assert (refused.status_code, "code" in refused.text) == (status, False)
    assert "pier 3" in text_in(frames_in(send_v1(emulator, FERRY)))


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (ErrorAt200(), 200, 50000),
        (ErrorAt200(code=20040), 200, 20040),
        (TooManyRequests(retry_after_s=3), 429, 40001),
    ],
)
def test_another_answer_is_in_the_platforms_json(emulator: Emulator, fault: Fault, status: int, code: int) -> None:
    emulator.faults.add(fault)
    refused = send_v2(emulator, FERRY)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(("fault", "status"), [(HtmlPage(200), 200), (HtmlPage(504), 504), (Unavailable(), 503)])
def test_another_answer_can_be_a_web_page(emulator: Emulator, fault: Fault, status: int) -> None:
    emulator.faults.add(fault)
    refused = send_v2(emulator, FERRY)
    assert (refused.status_code, "<html" in refused.text) == (status, True)


def test_a_stream_that_was_asked_for_can_come_whole(emulator: Emulator) -> None:
    emulator.faults.add(JsonAnswer())
    assert "pier 3" in answer_in(send_v2(emulator, FERRY))


def test_faults_know_the_user_of_a_conversation(emulator: Emulator) -> None:
    emulator.faults.add(V2Missing(), user="bob")
    held = {user: conversation(emulator, user) for user in ("ann", "bob")}
    statuses = {user: send_v2(emulator, FERRY, held=held[user]).status_code for user in held}
    assert statuses == {"ann": 200, "bob": 404}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Framing("xml"),  # type: ignore[arg-type]
        lambda: V2Missing(500),
        lambda: Stall(after_frames=-1),
        lambda: RateLimit(per_minute=-1),
        lambda: WrappedError(after_frames=-1),
    ],
)
def test_a_fault_that_cannot_be_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()
