"""Recordings as Documents, and answers that speak, in LangChain's standard blocks."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from langchain_core.load import dumps, load
from langchain_core.messages import AIMessage, HumanMessage

from langchain_chatbots import ChatDify, RemoteSpeechParser
from remote_chatbots import BotRejectedError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel, summed

FERRY = "When does the ferry leave?"


@pytest.fixture
def speaker(make_model: MakeModel) -> ChatDify:
    return make_model("chat-speech")


def sounds(message: AIMessage) -> list[dict[str, Any]]:
    return [block for block in message.content_blocks if block["type"] == "audio"]


def heard(model: ChatDify, sound: dict[str, Any]) -> str:
    assert sound["mime_type"] == "audio/mpeg"
    return str(model._sync_client().transcribe(b64decode(sound["base64"], validate=True), user=model.user))


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_recording_is_a_document(emulator: Emulator, make_bot: MakeBot, tmp_path: Path, platform: str) -> None:
    model = make_bot(platform, **({"api_key": emulator.key("chat-speech")} if platform == "dify" else {}))
    answer = model.invoke("[[echo]]Good morning.")
    sound = model._sync_client().speak(message_id=answer.response_metadata["message_id"], user=model.user)
    path = tmp_path / "voice.mp3"
    path.write_bytes(sound.data)
    parser = RemoteSpeechParser(model)
    in_memory = Blob.from_data(sound.data, mime_type="application/octet-stream", metadata={"taken": "today"})
    for blob in (Blob.from_path(path), in_memory):
        (document,) = parser.parse(blob)
        assert [document] == await parser.aparse(blob)
        assert document.page_content == "Good morning."
        assert document.metadata["model_provider"] == platform
        assert document.metadata["bot"] == answer.response_metadata["bot"]
    assert document.metadata["taken"] == "today"
    assert parser.parse(Blob.from_path(path))[0].metadata["source"] == str(path)


async def test_a_recording_that_is_not_taken_is_an_error_of_langchains_as_well(make_model: MakeModel) -> None:
    from langchain_core.exceptions import ModelInvalidRequestError

    parser = RemoteSpeechParser(make_model("chat"))
    for data, kind in ((b"", BotUsageError), (b"OggS" + bytes(9), BotUsageError), (b"ID3", BotRejectedError)):
        with pytest.raises(kind) as refusal:
            parser.parse(Blob.from_data(data))
        assert isinstance(refusal.value, ModelInvalidRequestError)
        with pytest.raises(kind):
            await parser.aparse(Blob.from_data(data))


async def test_an_answer_that_speaks_has_one_sound_that_plays_however_it_came(speaker: ChatDify) -> None:
    answers = [speaker.invoke(FERRY), await speaker.ainvoke(FERRY), summed(list(speaker.stream(FERRY)))]
    answers.append(summed([chunk async for chunk in speaker.astream(FERRY)]))
    answers.append(await (await speaker.astream_events(FERRY, version="v3")))
    for answer in answers:
        text, sound = answer.content_blocks
        assert text["type"] == "text"
        assert heard(speaker, sound) == answer.text


def test_the_same_sound_is_in_messages_of_output_version_v1(make_model: MakeModel) -> None:
    model = make_model("chat-speech", output_version="v1")
    for answer in (model.invoke(FERRY), summed(list(model.stream(FERRY)))):
        (sound,) = sounds(answer)
        assert heard(model, sound) == answer.text


def test_speech_in_a_format_that_the_platform_does_not_name_is_known_by_its_bytes(make_bot: MakeBot) -> None:
    model = make_bot("gptbots")
    for answer in (model.invoke(f"[[audio]]{FERRY}"), summed(list(model.stream(f"[[audio]]{FERRY}")))):
        (sound,) = (one for one in sounds(answer) if "base64" in one)
        assert sound["mime_type"] == "audio/wav"
        assert model._sync_client().transcribe(b64decode(sound["base64"], validate=True)) == answer.text


def test_a_stream_hands_on_the_sound_while_it_arrives(speaker: ChatDify) -> None:
    pieces = [sound for chunk in speaker.stream(FERRY) for sound in sounds(chunk)]
    assert len(pieces) > 1
    assert b"".join(b64decode(one["base64"], validate=True) for one in pieces).startswith(b"ID3")


def test_an_answer_that_spoke_goes_through_json_and_on_with_its_conversation(speaker: ChatDify) -> None:
    answer = load(json.loads(dumps(speaker.invoke(FERRY))), allowed_objects="messages")
    assert heard(speaker, sounds(answer)[0]) == answer.text
    again = speaker.invoke([HumanMessage(FERRY), answer, HumanMessage("And on Sundays?")])
    assert again.response_metadata["conversation_id"] == answer.response_metadata["conversation_id"]
