"""Whatever the calls of a client are given, they send it or refuse it with an error that begins with the platform."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    AsyncKnowledgeClient,
    Attachment,
    BotClient,
    BotError,
    BotUsageError,
    DifyApp,
    DifyKnowledge,
    GPTBotsAgent,
    GPTBotsKnowledge,
    KnowledgeClient,
    LostAnswer,
)
from remote_chatbots.emulator import Emulator
from remote_chatbots.protocol import BotProtocol
from tests.contract.faces import PLATFORMS
from tests.covering import covering

HALF = "é\ud800"
ODD: tuple[Any, ...] = (
    None, 0, -1, 1.5, True, "", "x", HALF, "a\nb", "a\0b", "x" * 5000, "../../x", b"x", [], {}, [None], ("x",),
    {"a": 1}, {"a": HALF}, {"a": float("nan")}, {"a": object()}, 10**400, object(), str, len, range(3), ValueError("x"),
    datetime.date(2026, 1, 1), Path("/no/such/file"),
)  # fmt: skip
SOUND = Attachment.from_bytes(b"ID3" + bytes(50), name="a.mp3")
# Each argument, in a call that is right but for it.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "ask": {"question": "Hello", "user": "", "conversation_id": "", "inputs": {}, "files": (), "stop": ()},
    "history": {"conversation_id": "c-1", "user": "", "limit": None, "before": ""},
    "conversations": {"user": "", "limit": None, "after": ""},
    "rename": {"conversation_id": "c-1", "name": "x", "user": ""},
    "delete": {"conversation_id": "c-1", "user": ""},
    "variables": {"conversation_id": "c-1", "user": ""},
    "set_variable": {"conversation_id": "c-1", "variable": "v", "value": "x", "user": ""},
    "feedback": {"message_id": "m-1", "rating": "like", "comment": "", "user": ""},
    "quality": {"message_id": "m-1", "grade": "UNRESOLVED"},
    "suggestions": {"message_id": "m-1", "user": ""},
    "citations": {"message_id": "m-1"},
    "stop": {"task_id": "t-1", "user": ""},
    "upload": {"file": Attachment.from_bytes(b"All is well", name="a.txt"), "user": ""},
    "download": {"file_id": "f-1", "user": ""},
    "transcribe": {"audio": SOUND, "user": ""},
    "speak": {"text": "Hello", "message_id": "", "voice": "", "user": ""},
    "recover": {"broken": Answer(text="Hel", conversation_id="c-1", message_id="m-1")},
}
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0, agent_credits=float("inf")) as running:
        yield running


@pytest.fixture(params=PLATFORMS)
def bot(request: pytest.FixtureRequest, emulator: Emulator) -> BotProtocol:
    if request.param == "dify":
        return DifyApp(emulator.key("advanced-chat"), emulator.dify_url)
    return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)


@pytest.mark.parametrize(
    ("name", "call", "bot"),
    covering(list(ARGUMENTS), ["requests", "aiohttp"], PLATFORMS),
    indirect=["call", "bot"],
)
def test_an_argument_of_whatever_kind_is_sent_or_refused(call: Call, bot: BotProtocol, name: str) -> None:
    refusals = []
    for argument in ARGUMENTS[name]:
        for odd in ODD:
            try:
                call(bot, name, **{**ARGUMENTS[name], argument: odd})
            except BotError as error:
                refusals.append(str(error))
    assert [one for one in refusals if not one.startswith(f"{bot.name}: ")] == []


@pytest.mark.parametrize("name", [name for name, given in ARGUMENTS.items() if "user" in given])
def test_half_a_character_is_refused_before_anything_is_sent(
    call: Call, emulator: Emulator, bot: BotProtocol, name: str
) -> None:
    before = len(emulator.requests)
    for argument, right in ARGUMENTS[name].items():
        if isinstance(right, str):
            with pytest.raises(BotUsageError):
                call(bot, name, **{**ARGUMENTS[name], argument: HALF})
    assert len(emulator.requests) == before


def test_what_is_no_paused_answer_takes_no_form(bot: BotProtocol) -> None:
    with BotClient(bot, user="anna") as client:
        for odd in ODD:
            with pytest.raises(BotUsageError, match=f"^{bot.name}: A form is of a paused answer"):
                client.submit(odd, "approve")


@pytest.mark.parametrize("name", ["conversation_id", "message_id", "workflow_run_id", "user"])
@pytest.mark.parametrize("odd", [5, None, HALF], ids=repr)
def test_a_lost_answer_is_known_by_texts(name: str, odd: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^{name} "):
        LostAnswer(**{name: odd})


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_option_of_a_search_of_whatever_kind_is_sent_or_refused(
    emulator: Emulator, platform: str, colour: str
) -> None:
    bases: Any = GPTBotsKnowledge(emulator.gptbots_key, emulator.gptbots_url)
    if platform == "dify":
        bases = DifyKnowledge(emulator.dataset_key, emulator.dify_url, next(iter(emulator.datasets.values())))

    async def asearch(given: dict[str, Any]) -> None:
        async with AsyncKnowledgeClient(bases) as client:
            await client.retrieve(**given)

    refusals = []
    for option in (
        "query",
        *(("dataset_id",) if platform == "dify" else ()),
        *(one.name for one in fields(bases.options)),
    ):
        for odd in ODD:
            given = {"query": "ferry", option: odd}
            try:
                KnowledgeClient(bases).retrieve(**given) if colour == "sync" else asyncio.run(asearch(given))
            except BotError as error:
                refusals.append(str(error))
    assert len(refusals) > len(ODD)
    assert [one for one in refusals if not one.startswith(f"{platform}: ")] == []


@pytest.mark.parametrize("dataset_id", ["", ".", HALF, None, 5])
def test_documents_of_what_is_no_id_are_not_asked_for(emulator: Emulator, dataset_id: Any) -> None:
    before = len(emulator.requests)
    with pytest.raises(BotUsageError, match=r"^dify: "):
        KnowledgeClient(DifyKnowledge(emulator.dataset_key, emulator.dify_url)).documents(dataset_id)
    assert len(emulator.requests) == before


MADE_OF = {"from_bytes": b"abc", "from_path": __file__, "from_base64": "YWJj", "from_url": "https://a.example/b.png"}


@pytest.mark.parametrize("made", MADE_OF)
@pytest.mark.parametrize("argument", ["", "name", "mime_type", "kind"])
def test_a_file_is_made_or_refused_of_whatever_it_is_told(made: str, argument: str) -> None:
    for odd in ODD:
        make = getattr(Attachment, made)
        try:
            assert isinstance(make(MADE_OF[made], **{argument: odd}) if argument else make(odd), Attachment)
        except BotUsageError as error:
            assert "files: " in str(error)  # noqa: PT017  some are made
