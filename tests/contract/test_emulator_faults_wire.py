"""Faults of the wire, looked at over a plain socket: the same answer, but other bytes or at another time."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Iterator

import pytest

from remote_chatbots.emulator import (
    CrLf,
    Cut,
    Emulator,
    Glue,
    Gzip,
    Hang,
    OneByteWrites,
    Reset,
    SplitCharacters,
    TooManyRequests,
    Trickle,
    WrongCharset,
)
from tests.contract.test_emulator_helpers import FERRY, answer_in, ask_raw, events_in, get, post, turn

KINDS = ("chat", "agent-chat", "advanced-chat")
PROFILES = ("2023", "0.15", "1.14")
SILENCE_S = 0.3


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02) as running:
        yield running


def body_of(profile: str, query: str, kind: str = "chat") -> bytes:
    """Return what a fresh server answers to its first question when nothing goes wrong."""
    with Emulator(profile, token_delay_s=0, held_open_s=0) as fresh:
        return ask_raw(fresh, query, kind=kind).body


@pytest.mark.parametrize("after_bytes", [0, 1, 200, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_closes_the_connection_after_so_many_bytes(emulator: Emulator, kind: str, after_bytes: int) -> None:
    emulator.faults.add(Cut(after_bytes))
    raw = ask_raw(emulator, FERRY, kind=kind)
    assert (raw.status, raw.end) == (200, "closed")
    assert raw.body == body_of("1.14", FERRY, kind)[:after_bytes]
    assert len(emulator.requests) == 1


def test_a_cut_after_the_last_byte_leaves_out_the_last_chunk(emulator: Emulator) -> None:
    whole = body_of("1.14", FERRY)
    emulator.faults.add(Cut(len(whole)))
    raw = ask_raw(emulator, FERRY)
    assert (raw.body, raw.end) == (whole, "closed")


def test_a_cut_beyond_the_end_does_nothing(emulator: Emulator) -> None:
    emulator.faults.add(Cut(10_000_000))
    assert ask_raw(emulator, FERRY).end == "complete"


def test_a_cut_of_a_blocking_answer_breaks_its_promise_of_a_length(emulator: Emulator) -> None:
    emulator.faults.add(Cut(20))
    raw = ask_raw(emulator, "hello", response_mode="blocking")
    assert (len(raw.data), raw.end) == (20, "closed")
    assert int(raw.header("Content-Length") or 0) > 20


def test_an_answer_that_was_cut_is_lost_like_one_whose_client_left(emulator: Emulator) -> None:
    emulator.faults.add(Cut(300))
    ask_raw(emulator, "hello", user="kim")
    held = get(emulator, "conversations", user="kim").json()["data"][0]["id"]
    message = get(emulator, "messages", user="kim", conversation_id=held).json()["data"][0]
    assert (message["query"], message["answer"], message["status"]) == ("hello", "", "normal")


@pytest.mark.parametrize("after_bytes", [0, 1, 300])
def test_a_reset_is_a_reset_after_so_many_bytes(emulator: Emulator, after_bytes: int) -> None:
    emulator.faults.add(Reset(after_bytes))
    raw = ask_raw(emulator, FERRY)
    assert (raw.status, raw.end) == (200, "reset")
    assert raw.body == body_of("1.14", FERRY)[:after_bytes]


def test_a_reset_of_a_blocking_answer(emulator: Emulator) -> None:
    emulator.faults.add(Reset(20))
    raw = ask_raw(emulator, "hello", response_mode="blocking")
    assert (len(raw.data), raw.end) == (20, "reset")


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_a_hang_before_the_head_sends_nothing_although_the_turn_is_begun(emulator: Emulator, mode: str) -> None:
    emulator.faults.add(Hang(before_head=True))
    raw = ask_raw(emulator, "hello", user="kim", response_mode=mode, patience_s=SILENCE_S)
    assert (raw.head, raw.data, raw.end) == ("", b"", "silent")
    assert get(emulator, "conversations", user="kim").json()["data"][0]["name"] == "hello"


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_a_hang_before_the_body_sends_the_head(emulator: Emulator, mode: str) -> None:
    emulator.faults.add(Hang())
    raw = ask_raw(emulator, "hello", response_mode=mode, silence_s=SILENCE_S)
    assert (raw.status, raw.data, raw.end) == (200, b"", "silent")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hang_in_the_body_comes_after_so_many_bytes(emulator: Emulator, kind: str) -> None:
    emulator.faults.add(Hang(after_bytes=150))
    raw = ask_raw(emulator, FERRY, kind=kind, silence_s=SILENCE_S)
    assert (raw.body, raw.end) == (body_of("1.14", FERRY, kind)[:150], "silent")


@pytest.mark.parametrize("hang", [Hang(before_head=True, for_s=0.2), Hang(for_s=0.2), Hang(after_bytes=99, for_s=0.2)])
def test_after_a_short_hang_the_answer_goes_on(emulator: Emulator, hang: Hang) -> None:
    emulator.faults.add(hang)
    raw = ask_raw(emulator, FERRY)
    assert (raw.body, raw.end) == (body_of("1.14", FERRY), "complete")
    assert 0.2 <= raw.took_s < 3


def test_several_hangs_come_one_after_the_other_and_then_the_cut(emulator: Emulator) -> None:
    emulator.faults.add(Hang(after_bytes=300, for_s=0.1), Cut(300), Hang(before_head=True, for_s=0.1))
    raw = ask_raw(emulator, FERRY)
    assert (len(raw.body), raw.end, 0.2 <= raw.took_s < 3) == (300, "closed", True)


def test_a_server_that_stops_ends_a_hang_at_once() -> None:
    with Emulator(token_delay_s=0) as emulator:
        emulator.faults.add(Hang(), Trickle(), times=None)
        port = int(emulator.dify_url.split(":")[2].partition("/")[0])
        hanging = [threading.Thread(target=ask_raw, args=(emulator, "hi")) for _ in range(3)]
        for thread in hanging:
            thread.start()
        while len(emulator.requests) < 3:
            time.sleep(0.01)
        begun = time.monotonic()
    for thread in hanging:
        thread.join()
    assert time.monotonic() - begun < 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_hang_is_over_when_the_client_has_left(emulator: Emulator) -> None:
    emulator.faults.add(Hang(after_bytes=300))
    ask_raw(emulator, "[[echo]] hello", kind="advanced-chat", user="kim", silence_s=SILENCE_S)
    time.sleep(0.4)
    held = get(emulator, "conversations", kind="advanced-chat", user="kim").json()["data"][0]["id"]
    page = get(emulator, "messages", kind="advanced-chat", user="kim", conversation_id=held).json()
    assert page["data"][0]["answer"] == "hello"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_trickle_is_small_writes_with_pauses(profile: str) -> None:
    with Emulator(profile, token_delay_s=0) as emulator:
        emulator.faults.add(Trickle(size_bytes=50, delay_s=0.002))
        raw = ask_raw(emulator, FERRY)
    assert raw.body == body_of(profile, FERRY)
    assert max(map(len, raw.writes)) == 50
    assert raw.took_s > 0.002 * len(raw.writes)


def test_a_blocking_answer_trickles_too(emulator: Emulator) -> None:
    emulator.faults.add(Trickle(size_bytes=100, delay_s=0.02))
    raw = ask_raw(emulator, "hello", response_mode="blocking")
    assert (raw.end, raw.took_s > 0.02 * (len(raw.data) // 100)) == ("complete", True)


@pytest.mark.parametrize("kind", KINDS)
def test_glue_is_the_whole_body_in_one_write(emulator: Emulator, kind: str) -> None:
    emulator.faults.add(Glue())
    raw = ask_raw(emulator, FERRY, kind=kind)
    assert raw.writes == [body_of("1.14", FERRY, kind)]


@pytest.mark.parametrize("profile", PROFILES)
def test_lines_can_end_in_cr_lf(profile: str) -> None:
    with Emulator(profile, token_delay_s=0) as emulator:
        emulator.faults.add(CrLf())
        assert ask_raw(emulator, FERRY).body == body_of(profile, FERRY).replace(b"\n", b"\r\n")


def test_a_ping_ends_in_cr_lf_as_well(emulator: Emulator) -> None:
    emulator.faults.add(CrLf())
    assert ask_raw(emulator, "hello", kind="advanced-chat").body.startswith(b"event: ping\r\n\r\ndata: ")


def test_every_character_of_several_bytes_is_split(emulator: Emulator) -> None:
    emulator.faults.add(SplitCharacters())
    raw = ask_raw(emulator, "[[emoji]]")
    text = raw.body.decode()
    assert raw.body == body_of("1.14", "[[emoji]]")
    split = sum(1 for write in raw.writes if write[-1] >= 0xC2)
    assert split == sum(1 for character in text if ord(character) > 127) > 20
    # No write holds a whole one.
    assert all(write.decode("utf-8", "ignore").isascii() for write in raw.writes)


def test_characters_are_split_within_a_trickle(emulator: Emulator) -> None:
    emulator.faults.add(SplitCharacters(), Trickle(size_bytes=100, delay_s=0))
    raw = ask_raw(emulator, "[[emoji]]")
    assert raw.body == body_of("1.14", "[[emoji]]")
    assert max(map(len, raw.writes)) == 100
    assert all(write.decode("utf-8", "ignore").isascii() for write in raw.writes)


def test_one_byte_writes_are_one_byte_each(emulator: Emulator) -> None:
    emulator.faults.add(OneByteWrites())
    raw = ask_raw(emulator, "[[echo]] é")
    assert {len(write) for write in raw.writes} == {1}
    assert raw.body == body_of("1.14", "[[echo]] é")


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_gzip_comes_although_nobody_accepts_it(emulator: Emulator, mode: str) -> None:
    emulator.faults.add(Gzip())
    raw = ask_raw(emulator, FERRY, response_mode=mode)
    assert raw.header("Content-Encoding") == "gzip"
    plain = zlib.decompress(raw.body, wbits=31).decode()
    assert plain == body_of_mode(mode)
    emulator.faults.add(Gzip())
    assert post(emulator, "[[echo]] é", response_mode=mode).text.count("é" if mode == "streaming" else "\\u00e9") == 1


def body_of_mode(mode: str) -> str:
    with Emulator(token_delay_s=0) as fresh:
        return ask_raw(fresh, FERRY, response_mode=mode).body.decode()


def test_each_compressed_write_can_be_read_when_it_arrives() -> None:
    with Emulator(token_delay_s=0.001) as emulator:
        emulator.faults.add(Gzip())
        raw = ask_raw(emulator, FERRY)
    decompressor = zlib.decompressobj(wbits=31)
    plain = [decompressor.decompress(write) for write in raw.writes]
    assert len(plain) > 10
    assert all(part.endswith(b"\n\n") for part in plain if part)


@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_a_wrong_charset_is_named_but_not_used(emulator: Emulator, mode: str) -> None:
    emulator.faults.add(WrongCharset("utf-16"))
    raw = ask_raw(emulator, "[[echo]] é", response_mode=mode)
    kind = "text/event-stream" if mode == "streaming" else "application/json"
    assert raw.header("Content-Type") == f"{kind}; charset=utf-16"
    assert ("é" in raw.body.decode()) is (mode == "streaming")


def test_faults_of_the_wire_go_together(emulator: Emulator) -> None:
    emulator.faults.add(Trickle(size_bytes=7, delay_s=0), CrLf(), Cut(after_bytes=345))
    raw = ask_raw(emulator, FERRY)
    assert raw.body == body_of("1.14", FERRY).replace(b"\n", b"\r\n")[:345]
    assert (max(map(len, raw.writes)), raw.end) == (7, "closed")


def test_glue_then_one_byte_writes_of_compressed_bytes(emulator: Emulator) -> None:
    emulator.faults.add(Glue(), Gzip(), OneByteWrites())
    raw = ask_raw(emulator, FERRY)
    assert {len(write) for write in raw.writes} == {1}
    assert zlib.decompress(raw.body, wbits=31) == body_of("1.14", FERRY)


def test_an_error_suffers_like_an_answer(emulator: Emulator) -> None:
    emulator.faults.add(TooManyRequests(), Hang(after_bytes=5, for_s=0.1), Cut(9))
    raw = ask_raw(emulator, "hello")
    assert (raw.status, raw.data, raw.end) == (429, b'{"code":"', "closed")


def test_the_next_request_is_well_again(emulator: Emulator) -> None:
    for fault in (Cut(5), Reset(5), CrLf(), Gzip(), Glue(), WrongCharset()):
        emulator.faults.add(fault)
        ask_raw(emulator, "hello")
        assert answer_in(turn(emulator, "[[echo]] well")) == "well"
    assert events_in(ask_raw(emulator, "hello").body.decode())[-1]["event"] == "message_end"
