"""What bots hear and speak, over a socket, in both colours and on both platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import (
    Attachment,
    BotNotFoundError,
    BotRejectedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
    MediaProduced,
)
from remote_chatbots.emulator import Emulator
from remote_chatbots.protocol import BotProtocol

Call = Callable[..., Any]
FERRY = "When does the ferry leave?"
MIB = 2**20
# What no first bytes tell.
UNTOLD = b"\x00\x01" * 50
OGG = b"OggS" + UNTOLD


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0)) for age in ("2023", "0.15", "1.14")}


@pytest.fixture
def emulator(emulators: dict[str, Emulator]) -> Emulator:
    return emulators["1.14"]


@pytest.fixture(params=["dify", "gptbots"])
def bot(emulator: Emulator, request: pytest.FixtureRequest) -> BotProtocol:
    return app(emulator) if request.param == "dify" else agent(emulator)


def app(emulator: Emulator, kind: str = "chat-speech") -> DifyApp:
    return DifyApp(emulator.key(kind), emulator.dify_url)


def agent(emulator: Emulator) -> GPTBotsAgent:
    return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)


def test_what_a_bot_speaks_it_understands(bot: BotProtocol, call: Call) -> None:
    answer = call(bot, "ask", FERRY)
    speech = call(bot, "speak", message_id=answer)
    assert isinstance(speech, MediaProduced)
    assert speech.mime_type == {"dify": "audio/mpeg", "gptbots": "audio/wav"}[bot.name]
    assert call(bot, "transcribe", speech.data) == answer.text


def test_an_answer_is_spoken_by_its_id_as_well(bot: BotProtocol, call: Call) -> None:
    answer = call(bot, "ask", FERRY)
    assert call(bot, "speak", message_id=answer.message_id) == call(bot, "speak", message_id=answer)
    stored = call(bot, "history", answer.conversation_id)[-1]
    assert call(bot, "speak", message_id=stored).data


def test_any_text_is_spoken_where_the_platform_does_so(emulator: Emulator, call: Call) -> None:
    speech = call(app(emulator), "speak", "The gulls are loud.", voice="harbour")
    assert call(app(emulator), "transcribe", speech.data) == "The gulls are loud."
    with pytest.raises(BotUsageError, match=r"^gptbots: the platform speaks its own answers"):
        call(agent(emulator), "speak", "The gulls are loud.")


def test_a_recording_is_read_from_a_path_or_an_attachment(bot: BotProtocol, call: Call, tmp_path: Path) -> None:
    sound = call(bot, "speak", message_id=call(bot, "ask", "[[echo]]Good morning.")).data
    path = tmp_path / "voice"
    path.write_bytes(sound)
    given = (path, str(path), bytearray(sound), Attachment.from_path(path), Attachment("audio", data=sound))
    assert {call(bot, "transcribe", one) for one in given} == {"Good morning."}


@pytest.mark.parametrize("age", ["2023", "0.15", "1.14"])
@pytest.mark.parametrize(
    "declared", ["audio/mpeg", "audio/mp3", "audio/mp4", "audio/x-m4a", "audio/x-wav", "audio/WAV;rate=8000"]
)
def test_whatever_a_type_is_called_each_age_of_the_server_takes_it(
    emulators: dict[str, Emulator], call: Call, age: str, declared: str
) -> None:
    sound = Attachment("audio", data=UNTOLD, mime_type=declared)
    assert call(app(emulators[age]), "transcribe", sound) == "A sound of 100 bytes."


@pytest.mark.parametrize("declared", ["audio/webm", "audio/webm;codecs=opus", "video/webm"])
def test_a_browsers_recording_is_taken_by_the_old_and_refused_by_the_new_with_what_to_do(
    emulators: dict[str, Emulator], call: Call, declared: str
) -> None:
    sound = Attachment("audio", data=b"\x1aE\xdf\xa3" + UNTOLD, mime_type=declared)
    assert call(app(emulators["0.15"]), "transcribe", sound)
    with pytest.raises(BotRejectedError, match=r"unsupported_audio_type: .* Convert the recording to mp3, m4a or wav"):
        call(app(emulators["1.14"]), "transcribe", sound)
    assert call(agent(emulators["1.14"]), "transcribe", sound)


def test_what_a_recording_is_its_bytes_say_whatever_its_name_says(bot: BotProtocol, call: Call) -> None:
    sound = call(bot, "speak", message_id=call(bot, "ask", "[[echo]]Hello.")).data
    named = Attachment("audio", data=sound, name="voice.ogg", mime_type="application/octet-stream")
    assert call(bot, "transcribe", named) == "Hello."


@pytest.mark.parametrize(
    ("sound", "told"),
    [
        (b"", "the recording is empty"),
        (OGG, "type audio/ogg"),
        (UNTOLD, "type application/octet-stream"),
        (b"fLaC" + UNTOLD, "type audio/flac"),
        (b"ID3" + bytes(30 * MIB), "at most"),
        (7, "audio must be bytes, a path or an Attachment, not int"),
        (Attachment("audio", url="https://example.com/a.mp3"), "sent as its bytes"),
    ],
    ids=["empty", "ogg", "unknown", "flac", "large", "number", "url"],
)
def test_a_recording_that_no_server_takes_is_refused_before_it_is_sent(
    emulator: Emulator, bot: BotProtocol, call: Call, sound: Any, told: str
) -> None:
    before = len(emulator.requests)
    with pytest.raises(BotUsageError, match=rf"^{bot.name}: .*{told}"):
        call(bot, "transcribe", sound)
    assert len(emulator.requests) == before


def test_a_path_of_nothing_is_refused(bot: BotProtocol, call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, told in (("empty.wav", "the recording is empty"), ("none.wav", "there is no file")):
        with pytest.raises(BotUsageError, match=rf"^{bot.name}: .*{told}"):
            call(bot, "transcribe", tmp_path / name)


def test_speech_that_is_switched_off_is_refused_with_where_to_switch_it_on(emulator: Emulator, call: Call) -> None:
    with pytest.raises(BotRejectedError, match="Switch speech to text on"):
        call(app(emulator, "chat"), "transcribe", b"ID3")
    with pytest.raises(BotRejectedError, match="Switch text to speech on"):
        call(app(emulator, "chat"), "speak", "Hello.")


def test_an_answer_that_there_is_not_has_no_voice(emulator: Emulator, call: Call) -> None:
    with pytest.raises(BotNotFoundError, match=r"^dify: there is nothing to speak"):
        call(app(emulator), "speak", message_id="00000000-0000-4000-8000-000000000000")
    with pytest.raises(BotRejectedError):
        call(agent(emulator), "speak", message_id="0" * 24)


@pytest.mark.parametrize("named", [{}, {"text": "Hello.", "message_id": "m-1"}], ids=str)
def test_either_a_text_or_an_answer_is_spoken(bot: BotProtocol, call: Call, named: dict[str, str]) -> None:
    with pytest.raises(BotUsageError, match=f"^{bot.name}: .*message_id"):
        call(bot, "speak", named.get("text", ""), message_id=named.get("message_id", ""))


def test_an_object_that_names_no_answer_is_refused(bot: BotProtocol, call: Call) -> None:
    with pytest.raises(BotUsageError, match="this dict names no answer"):
        call(bot, "speak", message_id={})


def test_an_answer_speaks_by_itself_where_the_app_is_set_up_so(emulator: Emulator, call: Call) -> None:
    answer = call(app(emulator), "ask", FERRY)
    speech = b"".join(piece.data for piece in answer.media)
    assert len(answer.media) > 1
    assert call(app(emulator), "transcribe", speech) == answer.text
