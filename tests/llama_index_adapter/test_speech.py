"""Recordings as Documents, and answers that speak, in LlamaIndex's blocks."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import SimpleDirectoryReader
from llama_index.core.llms import AudioBlock, ChatMessage

from llama_index_chatbots import Dify, GPTBots, RemoteChatEngine, RemoteLLM, RemoteSpeechReader
from remote_chatbots import BotRejectedError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import Do, MakeLLM, user

FERRY = "When does the ferry leave?"


@pytest.fixture
def speaker(make_llm: MakeLLM) -> Dify:
    return make_llm("chat-speech")


@pytest.fixture
def hearer(emulator: Emulator, bot: RemoteLLM, speaker: Dify) -> RemoteLLM:
    """An LLM of either platform whose bot hears."""
    return speaker if bot.platform == "dify" else bot


def sound_in(message: ChatMessage) -> AudioBlock:
    (sound,) = (block for block in message.blocks if isinstance(block, AudioBlock))
    assert sound.format == "mp3"
    return sound


def heard(llm: RemoteLLM, sound: bytes) -> str:
    return llm._sync_client().transcribe(sound, user=llm.user)


async def test_a_recording_is_a_document(hearer: RemoteLLM, do: Do, tmp_path: Path) -> None:
    told = hearer.chat([user("[[echo]]Good morning.")]).message.additional_kwargs
    sound = hearer._sync_client().speak(message_id=told["message_id"], user=hearer.user).data
    path = tmp_path / "voice.mp3"
    path.write_bytes(sound)
    reader = RemoteSpeechReader(hearer)
    for file in (path, str(path), sound):
        (document,) = await do(reader.load_data, file, {"taken": "today"})
        assert document.text == "Good morning."
        assert (document.metadata["taken"], document.metadata["model_provider"]) == ("today", hearer.platform)
    assert [one.text async for one in reader.alazy_load_data(path)] == ["Good morning."]
    assert [one.text for one in await reader.alazy_load_data(path)] == ["Good morning."]
    found = SimpleDirectoryReader(str(tmp_path), file_extractor={".mp3": reader}).load_data()
    assert [(one.text, one.metadata["file_name"]) for one in found] == [("Good morning.", "voice.mp3")]


async def test_a_recording_that_is_not_taken_is_refused(make_llm: MakeLLM, do: Do) -> None:
    reader = RemoteSpeechReader(make_llm("chat"))
    for data, kind in ((b"", BotUsageError), (b"OggS" + bytes(9), BotUsageError), (b"ID3", BotRejectedError)):
        with pytest.raises(kind, match=r"^dify: "):
            await do(reader.load_data, data)


def test_a_dump_of_a_reader_holds_no_key(speaker: Dify) -> None:
    reader = RemoteSpeechReader(speaker)
    assert speaker.api_key.get_secret_value() not in reader.to_json() + repr(reader)


async def test_an_answer_that_speaks_has_one_sound_that_plays(speaker: Dify, do: Do) -> None:
    message = (await do(speaker.chat, [user(FERRY)])).message
    assert heard(speaker, sound_in(message).resolve_audio().read()) == message.content
    again = ChatMessage.model_validate_json(message.model_dump_json())
    assert heard(speaker, sound_in(again).resolve_audio().read()) == message.content


async def test_a_stream_hands_on_the_sound_while_it_arrives(speaker: Dify, do: Do) -> None:
    stream = await do(speaker.stream_chat, [user(FERRY)])
    responses: list[Any] = [one async for one in stream] if hasattr(stream, "__aiter__") else list(stream)
    pieces = [one.additional_kwargs["audio_delta"] for one in responses if "audio_delta" in one.additional_kwargs]
    assert len(pieces) > 1
    whole = responses[-1].message
    assert b64decode("".join(pieces), validate=True) == sound_in(whole).resolve_audio().read()
    assert heard(speaker, sound_in(whole).resolve_audio().read()) == whole.content
    assert not [block for block in responses[0].message.blocks if isinstance(block, AudioBlock)]


def test_speech_in_a_format_that_the_platform_does_not_name_is_known_by_its_bytes(emulator: Emulator) -> None:
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="anna")
    message = llm.chat([user(f"[[audio]]{FERRY}")]).message
    (sound,) = (block for block in message.blocks if isinstance(block, AudioBlock) and block.audio)
    assert sound.format == "wav"
    assert heard(llm, sound.resolve_audio().read()) == message.content


def test_an_engine_goes_on_after_an_answer_that_spoke(speaker: Dify) -> None:
    engine = RemoteChatEngine.from_llm(speaker)
    engine.chat(FERRY)
    conversation = engine.conversation_id
    assert "first question" not in str(engine.chat("What did I ask first?"))
    assert engine.conversation_id == conversation
    assert sound_in(engine.chat_history[1])
