"""Every recording of speech, heard and spoken again; what must come of it is read from the recording."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from email.message import Message
from email.parser import BytesParser
from functools import cache
from typing import Any

import pytest
from llama_index.core.llms import AudioBlock, ChatMessage

from llama_index_chatbots import Dify
from remote_chatbots import Attachment, BotUsageError, MediaProduced
from remote_chatbots.platforms.dify.speech import DECLARED_AS
from tests.recorded.asking import DRIVERS, KEY, TIMEOUT_S, expected_of_error
from tests.recorded.managing import Call, make, outcome_of
from tests.recorded.recordings import Recording, recording, speech, told_by
from tests.recorded.replay import Received, ReplayServer, reply_of

OTHERWISE = "the same sound is sent as a type that both ages take"
# Recordings whose request this library cannot make, and why.
NOT_MADE = {
    "audio-to-text-as-mp4": OTHERWISE,
    "audio-to-text-as-mpeg": OTHERWISE,
    "audio-to-text-as-ogg": "a type that no age takes is refused before it is sent",
    "audio-to-text-as-x-m4a": OTHERWISE,
    "audio-to-text-as-x-wav": OTHERWISE,
    "audio-to-text-empty-file": "an empty recording is refused before it is sent",
    "audio-to-text-no-user": "a call without a user is refused before it is sent",
    "err-audio-octet-stream": OTHERWISE,
}
MADE = [each for each in speech() if each.name not in NOT_MADE]
HEARD = [each for each in MADE if each.target == "/v1/audio-to-text"]
SPOKEN = [each for each in MADE if each.target == "/v1/text-to-audio"]
both_drivers = pytest.mark.parametrize("driver", DRIVERS, scope="module")


def sound_of(exchange: Recording) -> Attachment:
    """Return a recording of the same name, type and length, whose bytes do not tell what it is."""
    (file,) = exchange.sent["multipart"]["files"]
    return Attachment("audio", data=bytes(file["bytes"]), name=file["filename"], mime_type=file["content_type"])


def call_of(exchange: Recording) -> Call:
    """Return the call that makes the recorded request."""
    if exchange.target == "/v1/text-to-audio":
        return Call("speak", (exchange.sent["text"],), {"user": exchange.sent["user"]})
    return Call("transcribe", (sound_of(exchange),), exchange.sent["multipart"]["fields"])


@cache
def over_a_socket(driver: str, exchange: Recording) -> tuple[Any, list[Received]]:
    """Return what came of the call, and the requests that the server got."""
    with ReplayServer(reply_of(exchange)) as server:
        got = make(driver, server.url, call_of(exchange))
    return got, server.received


def parts_of(request: Received) -> dict[str, Message]:
    """Return the parts of a form by their names, as another reader than ours sees them."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + request.body)
    return {str(part.get_param("name", header="content-disposition")): part for part in form.get_payload()}


def test_speech_was_recorded_of_both_servers() -> None:
    assert Counter(each.version for each in speech()) == {"0.15.3": 16, "1.14.2": 16}
    assert {each.name for each in speech()} >= set(NOT_MADE)


@pytest.mark.parametrize("exchange", HEARD, ids=str, scope="module")
@both_drivers
def test_a_recording_is_sent_as_recorded_and_once(driver: str, exchange: Recording) -> None:
    _, (request,) = over_a_socket(driver, exchange)
    (file,) = exchange.sent["multipart"]["files"]
    parts = parts_of(request)
    assert (request.method, request.path) == (exchange.method, exchange.target)
    assert set(parts) == {"user", "file"}
    assert parts["user"].get_payload() == exchange.sent["multipart"]["fields"]["user"]
    assert parts["file"].get_content_type() == file["content_type"].partition(";")[0].lower()
    assert parts["file"].get_filename() == file["filename"]
    assert parts["file"].get_payload(decode=True) == bytes(file["bytes"])


@pytest.mark.parametrize("exchange", HEARD, ids=str, scope="module")
@both_drivers
def test_what_is_heard_is_what_was_recorded(driver: str, exchange: Recording) -> None:
    got, _ = over_a_socket(driver, exchange)
    failed = exchange.status >= 400
    assert outcome_of(got) == (expected_of_error(told_by(exchange)) if failed else json.loads(exchange.body)["text"])


@pytest.mark.parametrize("exchange", SPOKEN, ids=str, scope="module")
@both_drivers
def test_what_is_spoken_is_what_was_recorded(driver: str, exchange: Recording) -> None:
    got, (request,) = over_a_socket(driver, exchange)
    assert json.loads(request.body) == exchange.sent
    assert got == MediaProduced("audio", data=exchange.body, mime_type=exchange.headers["Content-Type"])


@pytest.mark.parametrize("exchange", [each for each in speech() if each.name in NOT_MADE], ids=str)
def test_what_is_not_sent_as_recorded_is_refused_here_or_taken_by_every_server(exchange: Recording) -> None:
    if NOT_MADE[exchange.name] is not OTHERWISE:
        got = make("requests", "http://127.0.0.1:9/v1", refused_call(exchange))
        assert isinstance(got, BotUsageError)
        return
    with ReplayServer(reply_of(recording(exchange.version, "audio-to-text"))) as server:
        make("requests", server.url, call_of(exchange))
    declared = parts_of(server.received[0])["file"].get_content_type()
    taken = {"audio/mp3": "mp3", "audio/m4a": "m4a", "audio/wav": ""}
    for version in ("0.15.3", "1.14.2"):
        name = "-as-".join(filter(None, ("audio-to-text", taken[declared])))
        assert recording(version, name).status == 200


def refused_call(exchange: Recording) -> Call:
    (file,) = exchange.sent["multipart"]["files"]
    if not file["bytes"]:
        return Call("transcribe", (b"",), {"user": "reader-1"})
    return call_of(exchange)


def test_each_declared_type_was_recorded_as_taken() -> None:
    files = [(each, each.sent["multipart"]["files"][0]["content_type"]) for each in speech() if each in HEARD]
    taken = {kind.partition(";")[0].lower() for each, kind in files if each.status == 200}
    assert set(DECLARED_AS.values()) - {"audio/amr"} <= taken  # amr: by the list in the API reference


@pytest.mark.parametrize("driver", DRIVERS)
def test_recorded_speech_of_an_answer_is_one_sound_in_llama_index(driver: str) -> None:
    exchange = recording("1.14.2", "chat-stream-tts-on")
    with ReplayServer(reply_of(exchange)) as server:
        llm = Dify(api_key=KEY, base_url=server.url, user="reader-1", timeout=TIMEOUT_S)
        asked = [ChatMessage(exchange.sent["query"])]
        message = (llm.chat(asked) if driver == "requests" else asyncio.run(llm.achat(asked))).message
    (sound,) = (block for block in message.blocks if isinstance(block, AudioBlock))
    assert sound.format == "mp3"
    assert sound.resolve_audio().read() == told_by(exchange).speech
