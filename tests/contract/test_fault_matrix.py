"""Every fault on every wire in every way of asking: one outcome in both frameworks and colours, and one post a turn."""

from __future__ import annotations

import socket
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from remote_chatbots import BotTruncatedError
from remote_chatbots.emulator import Cut, Emulator, Fault, Hang, Reset
from tests.contract.fault_table import CASES, MIDDLE, Case
from tests.contract.scripted import Scripted
from tests.contract.ways import WAYS, Came, asked_by, model_of
from tests.covering import covering

SHORT = "[[echo]]Grüße aus 游客中心 👋, one two three."
# So that there is some text before a break, and some behind it.
LONG = SHORT + "".join(f" word{at}" for at in range(100))
WIRES = {
    "2023 chat": 4000,
    "0.15 chat": 9000,
    "0.15 agent-chat": 9000,
    "0.15 advanced-chat": 12000,
    "1.14 chat": 9000,
    "1.14 agent-chat": 9000,
    "1.14 advanced-chat": 12000,
    "gptbots v1": 2500,
    "gptbots v2": 2500,
}
# One of each age, with every fault in every way.
WHOLE = ("2023 chat", "0.15 chat", "1.14 advanced-chat", "gptbots v1", "gptbots v2")
# Any three that follow each other are of both platforms, or of both frameworks and both colours.
WIRES_IN_TURN = (
    "1.14 chat", "0.15 advanced-chat", "gptbots v1", "1.14 agent-chat", "0.15 chat", "gptbots v2",
    "1.14 advanced-chat", "2023 chat", "gptbots v1", "0.15 agent-chat", "1.14 chat", "gptbots v2",
)  # fmt: skip
WAYS_IN_TURN = (
    "LangChain invoke", "LlamaIndex achat", "client stream", "LangChain astream", "LlamaIndex chat", "client astream",
    "LangChain ainvoke", "LlamaIndex stream_chat", "LangChain stream", "LlamaIndex astream_chat",
)  # fmt: skip
CUT_WIRES = ["2023 chat", "0.15 chat", "1.14 chat", "1.14 advanced-chat", "gptbots v1", "gptbots v2"]
SEND = ("chat-messages", "conversation/message")
# What differs from turn to turn.
_OF_THE_TURN = {
    "reset in the middle": "partial_text",
    "a trickle beyond all time": "partial_text",
    "429 with a date": "retry_after_s",
}


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    running = {age: Emulator(age, token_delay_s=0, held_open_s=0.05) for age in ("2023", "0.15", "1.14")}
    for emulator in running.values():
        emulator.__enter__()
    yield {**running, "gptbots": running["1.14"]}
    for emulator in running.values():
        emulator.__exit__(None, None, None)


@pytest.fixture(scope="module")
def firsts() -> dict[Any, Any]:
    """What a case came to on a wire at first: all others must be like it."""
    return {}


@pytest.fixture
def ask(emulators: dict[str, Emulator], serve: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    def asked(way: str, wire: str, case: Case, text: str) -> tuple[Came, int]:
        age, kind = wire.split(" ")
        emulator = emulators[age]
        emulator.faults.clear()
        if case.faults:
            emulator.faults.add(*(placed(fault, WIRES[wire]) for fault in case.faults))
        fields = {"timeout": (30, 30), "probe_after_s": 60, **case.fields}  # a machine that is busy is not silent
        if age == "gptbots":
            fields["api_version"], kind = kind, "gptbots"
        if case.where != "server":
            fields["base_url"] = unreachable(case.where, serve, monkeypatch)
        before = len(emulator.requests)
        came = asked_by(way, model_of(way, emulator, kind, **fields), text)
        paths = [request.path for request in emulator.requests[before:]]
        assert paths.count("/gptbots/v1/conversation") == (age == "gptbots" and bool(paths))
        return came, sum(path.endswith(SEND) for path in paths)

    yield asked
    for emulator in emulators.values():
        emulator.faults.clear()


def placed(fault: Fault, middle: int) -> Fault:
    if isinstance(fault, (Cut, Reset, Hang)) and fault.after_bytes == MIDDLE:
        return replace(fault, after_bytes=middle)
    return fault


def unreachable(where: str, serve: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch) -> str:
    if where == "closed port":
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            return f"http://127.0.0.1:{nobody.getsockname()[1]}"
    if where == "no host":
        monkeypatch.setenv("NO_PROXY", "*")
        return "http://nobody.invalid"
    if where == "no TLS":
        return serve([b"nonsense\r\n\r\n"]).url.replace("http:", "https:").removesuffix("/v1")
    proxy = serve([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"])
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    return "https://bots.invalid"


def sample() -> Iterator[tuple[str, str, str]]:
    """Have each fault three times: on both platforms, if they have it, in both frameworks and both colours."""
    for at, name in enumerate(name for name in CASES for _ in range(3)):
        wires = [wire for wire in WIRES_IN_TURN if CASES[name].is_on(wire)]
        place = at + at // 60  # else each wire would always meet the same ways
        yield name, wires[at % len(wires)], WAYS_IN_TURN[place % len(WAYS_IN_TURN)]


def cases() -> list[Any]:
    """Return every fault on the wires that have it, in every way of asking.

    Of the wires beside `WHOLE`, which differ from those in the names of events and not in how they are read, the
    matrix has each two of fault, wire and way together.
    """
    chosen = set(sample())
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, case in CASES.items():
        alike.setdefault(tuple(wire for wire in WIRES if case.is_on(wire)), []).append(name)
    kept = []
    for wires, names in alike.items():
        paired = {one.id for one in covering(names, wires, list(WAYS), pairs=True) if not one.marks}
        for one in covering(names, wires, list(WAYS), chosen=lambda *row: row in chosen):
            if not one.marks or one.values[1] in WHOLE or one.id in paired:
                kept.append(one)
    return kept


def test_the_sample_has_each_fault_on_both_platforms_in_both_frameworks_and_both_colours() -> None:
    for name, case in CASES.items():
        met = [(wire, way) for fault, wire, way in sample() if fault == name]
        assert {wire.startswith("gptbots") for wire, _ in met} == {
            wire.startswith("gptbots") for wire in WIRES if case.is_on(wire)
        }
        assert {way.split(" ")[0] for _, way in met} >= {"LangChain", "LlamaIndex"}
        assert {" a" in way for _, way in met} == {True, False}
    assert {wire for _, wire, _ in sample()} == set(WIRES)
    assert {way for *_, way in sample()} == set(WAYS)


@pytest.mark.parametrize(("name", "wire", "way"), cases())
def test_a_fault_comes_to_what_is_promised(
    ask: Callable[..., Any], firsts: dict[Any, Any], name: str, wire: str, way: str
) -> None:
    case = CASES[name]
    text = SHORT if case.error is None else LONG
    if (wire, text) not in firsts:
        firsts[wire, text], _ = ask("LangChain invoke", wire, Case(), text)
    plain = firsts[wire, text]
    assert plain.error is None
    assert "Grüße aus 游客中心 👋" in plain.text

    came, posts = ask(way, wire, case, text)

    assert posts == case.posts, came.error
    if case.error is None:
        assert came.error is None
        assert came.text == plain.text
        return
    error = came.error
    assert isinstance(error, case.error), error
    assert error.retryable is case.retryable
    assert {key: getattr(error, key) for key in case.known} == case.known
    assert plain.text.startswith(error.partial_text)
    assert case.text in (None, bool(error.partial_text))
    if "chat" not in way.split(" ")[1] and "stream" not in way:
        assert came.text == ""
    if error.partial_text and wire != "2023 chat":
        assert error.conversation_id
    if wire.startswith("gptbots") and posts:
        assert error.conversation_id
    known = {key: value for key, value in came.known().items() if key != _OF_THE_TURN.get(name)}
    assert known == firsts.setdefault((wire, name), known)


@pytest.mark.parametrize("way", ["client stream", "client astream"])
@pytest.mark.parametrize("wire", CUT_WIRES)
# What a cut at every byte comes to is seen on the flow, without a socket: test_dify_stream_cuts, test_gptbots_cuts.
# Here it is seen that a driver tells the flow of it.
@pytest.mark.parametrize("step", [None, pytest.param(31, marks=pytest.mark.matrix)], ids=["a dozen", "every 31st"])
def test_a_body_that_is_cut_anywhere_is_truncated_or_whole(
    ask: Callable[..., Any], step: int | None, wire: str, way: str
) -> None:
    text = SHORT.replace(" two three", "")
    plain, _ = ask(way, wire, Case(), text)
    whole = bisect_left(range(20_000), True, key=lambda at: ask(way, wire, Case((Cut(at),)), text)[0].error is None)
    assert whole > 200
    told = [""]
    for at in range(0, whole, step or whole // 11):
        came, posts = ask(way, wire, Case((Cut(at),)), text)
        assert isinstance(came.error, BotTruncatedError), at
        assert plain.text.startswith(came.error.partial_text), at
        assert came.error.partial_text.startswith(told[-1]), at
        assert (posts, came.error.retryable) == (1, False), at
        told.append(came.error.partial_text)
    assert told[-1]
