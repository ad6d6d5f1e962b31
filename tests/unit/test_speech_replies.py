"""What servers may answer to a recording, or to a wish for speech, beside what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRejectedError,
    DifyApp,
    GPTBotsAgent,
    MediaProduced,
)
from remote_chatbots.flow import Flow
from remote_chatbots.wire import ResponseHead
from tests.unit.conftest import octets_of

WAV = b"RIFF\x24\0\0\0WAVEfmt "
PAGE = b"<html>Log in</html>"
Drive = Callable[..., Any]


def outcome_of(flow: Flow[Any], drive: Drive, content_type: str, body: bytes, status: int = 200) -> Any:
    """Return what comes of a call: its value, or its error."""
    found: list[Any] = []

    def kept() -> Flow[None]:
        found.append((yield from flow))

    played = drive(kept(), (ResponseHead(status, {"content-type": content_type}), body))
    return played.error or found[0]


@pytest.fixture(params=["dify", "gptbots"])
def bot(app: DifyApp, agent: GPTBotsAgent, request: pytest.FixtureRequest) -> Any:
    return app if request.param == "dify" else agent


SPEECH: list[tuple[str, str, bytes, type[BotError] | None]] = [
    ("dify", "audio/mpeg", b"ID3", None),
    ("dify", "audio/wav; rate=8000", WAV, None),
    ("dify", "application/json", b"null\n", BotNotFoundError),
    ("dify", "audio/mpeg", b"", BotNotFoundError),
    (
        "dify",
        "application/json",
        b'{"code":"invalid_param","message":"TTS is not enabled","status":400}',
        BotRejectedError,
    ),
    ("dify", "text/html", PAGE, BotProtocolError),
    ("gptbots", "audio/wav", WAV, None),
    ("gptbots", "application/octet-stream", WAV, None),
    ("gptbots", "application/json", b'{"code":40371,"message":"nothing to speak"}', BotRejectedError),
    ("gptbots", "application/json", b'{"code":40379,"message":"no credits"}', BotQuotaError),
    ("gptbots", "audio/mpeg", b"", BotProtocolError),
    ("gptbots", "text/html", PAGE, BotProtocolError),
]


@pytest.mark.parametrize(("platform", "content_type", "body", "kind"), SPEECH)
def test_what_comes_in_the_place_of_speech_is_an_error_of_its_class(
    app: DifyApp, agent: GPTBotsAgent, drive: Drive, platform: str, content_type: str, body: bytes, kind: Any
) -> None:
    bot: Any = app if platform == "dify" else agent
    got = outcome_of(bot.speak(message_id="m-1", user="anna"), drive, content_type, body)
    if kind is None:
        assert got == MediaProduced("audio", data=body, mime_type="audio/wav" if body == WAV else "audio/mpeg")
    else:
        assert type(got) is kind
        assert got.message.startswith(f"{platform}: ")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"words":"Good morning."}', BotProtocolError),
        (200, b"[]", BotProtocolError),
        (200, PAGE, BotProtocolError),
        (401, b'{"code":"unauthorized","message":"Access token is invalid","status":401}', BotAuthError),
        (413, PAGE, BotRejectedError),
    ],
)
def test_what_comes_in_the_place_of_a_text_is_an_error_of_its_class(
    bot: Any, drive: Drive, status: int, body: bytes, kind: type[BotError]
) -> None:
    got = outcome_of(bot.transcribe(WAV, user="anna"), drive, "application/json", body, status)
    assert type(got) is kind


def test_a_recording_is_sent_with_the_type_or_the_name_by_which_the_platform_knows_it(bot: Any, drive: Drive) -> None:
    def play() -> Flow[None]:
        assert (yield from bot.transcribe(WAV, user="anna")) == "Good morning."

    head = ResponseHead(200, {"content-type": "application/json"})
    (request,) = drive(play(), (head, b'{"text":"Good morning."}')).requests
    sent = octets_of(request)
    assert b'name="file"; filename="recording.wav"\r\nContent-Type: audio/wav\r\n\r\n' + WAV in sent
    assert (b'name="user"\r\n\r\nanna' in sent) is (bot.name == "dify")
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
