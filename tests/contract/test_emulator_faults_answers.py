"""Faults that put another answer in the place of the app's, and which request suffers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
import requests

from remote_chatbots.emulator import (
    Cut,
    Emulator,
    ErrorAt200,
    HtmlPage,
    JsonAnswer,
    TooManyRequests,
    Unavailable,
)
from tests.contract.test_emulator_helpers import (
    AGES,
    FERRY,
    answer_in,
    ask_raw,
    bearer,
    get,
    history,
    post,
    question,
    recording,
    shape,
    stop,
    turn,
)

KINDS = ("chat", "agent-chat", "advanced-chat")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02) as running:
        yield running


def test_an_error_at_200_is_json_with_a_good_status(emulator: Emulator) -> None:
    emulator.faults.add(ErrorAt200("provider_quota_exceeded", "used up", 400))
    raw = ask_raw(emulator, "hello")
    assert (raw.status, raw.header("Content-Type"), raw.end) == (200, "application/json", "complete")
    assert raw.body == b'{"code":"provider_quota_exceeded","message":"used up","status":400}\n'
    assert get(emulator, "conversations", user="ann").json()["data"] == []
    assert len([request for request in emulator.requests if request.method == "POST"]) == 1


def test_a_web_page_at_200(emulator: Emulator) -> None:
    emulator.faults.add(HtmlPage())
    raw = ask_raw(emulator, "hello")
    assert (raw.status, raw.header("Content-Type"), raw.header("X-Version")) == (200, "text/html", None)
    assert raw.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxys_page_is_as_recorded(emulator: Emulator, status: int) -> None:
    emulator.faults.add(HtmlPage(status))
    raw = ask_raw(emulator, "hello")
    theirs = recording("1.14", "err-nginx-504-stream")["response"]
    reason = {502: "Bad Gateway", 504: theirs["reason"]}[status]
    assert raw.head.startswith(f"HTTP/1.1 {status} {reason}\r\n")
    assert raw.body.decode() == theirs["body"].replace("504 Gateway Time-out", f"{status} {reason}")
    for header in theirs["headers"].keys() - {"Date", "Content-Length"}:
        assert raw.header(header) == theirs["headers"][header]
    assert raw.header("X-Version") is None


@pytest.mark.parametrize(("fault", "status"), [(TooManyRequests, 429), (Unavailable, 503)])
def test_when_to_come_back_can_be_left_open_told_in_seconds_or_as_a_date(
    emulator: Emulator, fault: type[TooManyRequests | Unavailable], status: int
) -> None:
    emulator.faults.add(fault())
    emulator.faults.add(fault(retry_after_s=7))
    emulator.faults.add(fault(retry_after_s=60, as_date=True))
    nothing, seconds, date = (ask_raw(emulator, "hello") for _ in range(3))
    assert [raw.status for raw in (nothing, seconds, date)] == [status] * 3
    assert (nothing.header("Retry-After"), seconds.header("Retry-After")) == (None, "7")
    moment = parsedate_to_datetime(date.header("Retry-After") or "")
    assert 50 < moment.timestamp() - time.time() <= 60
    is_json = nothing.header("Content-Type") == "application/json"
    assert is_json is (status == 429)
    assert not is_json or json.loads(nothing.body)["code"] == "too_many_requests"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("age", AGES)
def test_a_whole_answer_can_come_where_a_stream_was_asked_for(age: str, kind: str) -> None:
    with Emulator(age, token_delay_s=0) as emulator:
        emulator.faults.add(JsonAnswer())
        raw = ask_raw(emulator, FERRY, kind=kind)
        streamed = turn(emulator, FERRY, kind=kind)
        asked = post(emulator, FERRY, kind="chat", response_mode="blocking")
    body = json.loads(raw.body)
    assert raw.header("Content-Type") == asked.headers["Content-Type"]
    assert (body["mode"], body["answer"]) == (kind, answer_in(streamed))
    assert [key for key, _ in shape(body)] == [key for key, _ in shape(asked.json())]


def test_a_whole_answer_can_be_stopped_while_it_is_made(emulator: Emulator) -> None:
    emulator.faults.add(JsonAnswer())
    kind = "advanced-chat"
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(post, emulator, "[[slow]]", kind=kind)
        while not (held := get(emulator, "conversations", kind=kind, user="ann").json()["data"]):
            time.sleep(0.01)
        # Only the server knows the task's id so far; a second one, on another server, gets the same.
        with Emulator(token_delay_s=0) as twin:
            task_id = turn(twin, "hello", kind=kind)[-1]["task_id"]
        stop(emulator, task_id, kind=kind)
        body = pending.result().json()
    assert (body["conversation_id"], body["metadata"]) == (held[0]["id"], {})
    assert history(emulator, [body], kind)[0]["answer"] == body["answer"]


def test_a_fault_strikes_as_often_as_it_is_told_to(emulator: Emulator) -> None:
    emulator.faults.add(Unavailable(), times=2)
    assert [post(emulator, "hello").status_code for _ in range(3)] == [503, 503, 200]
    assert len(emulator.requests) == 3


def test_faults_added_one_after_the_other_strike_one_after_the_other(emulator: Emulator) -> None:
    emulator.faults.add(Unavailable())
    emulator.faults.add(TooManyRequests())
    assert [post(emulator, "hello").status_code for _ in range(3)] == [503, 429, 200]


def test_a_fault_without_a_number_strikes_until_it_is_cleared(emulator: Emulator) -> None:
    emulator.faults.add(Unavailable(), times=None)
    assert {post(emulator, "hello").status_code for _ in range(3)} == {503}
    emulator.faults.clear()
    assert post(emulator, "hello").status_code == 200


def test_a_fault_strikes_only_its_path_and_its_user(emulator: Emulator) -> None:
    emulator.faults.add(Unavailable(), path="/v1/messages", user="bob")
    assert post(emulator, "hello", user="bob").status_code == 200
    assert get(emulator, "messages", user="ann", conversation_id="").status_code == 200
    assert get(emulator, "messages", user="bob", conversation_id="").status_code == 503
    emulator.faults.add(Unavailable(), path="/v1/chat-messages/*/stop", user="bob")
    url = f"{emulator.dify_url}/chat-messages/abc/stop"
    told = [
        requests.post(url, json={"user": user}, headers=bearer(emulator, "chat"), timeout=5).status_code
        for user in ("ann", "bob", "bob")
    ]
    assert told == [200, 503, 200]
    emulator.faults.add(Unavailable(), path=None)
    assert get(emulator, "info").status_code == 503


def test_an_error_of_the_server_can_be_cut_as_well(emulator: Emulator) -> None:
    emulator.faults.add(Cut(3))
    raw = ask_raw(emulator, "hello", conversation_id="abc")
    assert (raw.status, raw.data, raw.end) == (400, b'{"c', "closed")


def test_faults_can_be_added_from_many_threads_while_requests_come(emulator: Emulator) -> None:
    def add() -> None:
        for _ in range(20):
            emulator.faults.add(Unavailable())

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    with requests.Session() as session:
        url, headers = f"{emulator.dify_url}/chat-messages", bearer(emulator, "chat")
        told = [session.post(url, json=question("hi"), headers=headers, timeout=5).status_code for _ in range(50)]
    for thread in threads:
        thread.join()
    assert len(emulator.faults) == 100 - told.count(503)


@pytest.mark.asyncio
async def test_faults_work_in_async_use() -> None:
    async with Emulator(token_delay_s=0) as emulator, aiohttp.ClientSession() as session:
        emulator.faults.add(Cut(40))
        url, headers = f"{emulator.dify_url}/chat-messages", bearer(emulator, "chat")
        async with session.post(url, json=question("hello"), headers=headers) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        async with session.post(url, json=question("hello"), headers=headers) as response:
            assert b"message_end" in await response.read()
        assert len(emulator.requests) == 2


def test_faults_can_be_added_before_the_server_runs_and_outlive_it() -> None:
    emulator = Emulator(token_delay_s=0)
    emulator.faults.add(Unavailable(), times=2)
    for _ in range(2):
        with emulator:
            assert post(emulator, "hello").status_code == 503
    assert len(emulator.faults) == 0
