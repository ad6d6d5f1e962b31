"""The emulator over real sockets: what it does whatever its age, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    FERRY,
    UNKNOWN_ID,
    answer_in,
    bearer,
    events_in,
    get,
    history,
    lines_of,
    post,
    stop,
    turn,
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02, idle_limit_s=0.05) as running:
        yield running


def test_a_blocking_chat_app_cannot_break_off_half_way(emulator: Emulator) -> None:
    assert post(emulator, "Tell me [[failmid]]", response_mode="blocking").status_code == 200


def test_an_agent_refuses_blocking_mode(emulator: Emulator) -> None:
    body = post(emulator, "hello", kind="agent-chat", response_mode=None).json()
    assert body["message"] == "Agent Chat App does not support blocking mode"


@pytest.mark.parametrize("kind", ["chat", "agent-chat"])
def test_another_users_conversation_is_404(emulator: Emulator, kind: str) -> None:
    held = turn(emulator, "hello", kind=kind)[0]["conversation_id"]
    response = post(emulator, "hello", kind=kind, user="bob", conversation_id=held)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"", "bad_request"), (b"{", "bad_request"), (b"\xff", "bad_request"), (b"[]", "invalid_param")],
)
def test_a_body_that_is_no_json_object_is_400(emulator: Emulator, raw: bytes, code: str) -> None:
    headers = {**bearer(emulator, "chat"), "Content-Type": "application/json"}
    response = requests.post(f"{emulator.dify_url}/chat-messages", data=raw, headers=headers, timeout=5)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_a_lone_surrogate_is_400(emulator: Emulator) -> None:
    assert post(emulator, "a \ud800 b").json()["code"] == "invalid_param"


@pytest.mark.parametrize("scheme", ["Bearer nonsense", "Basic abc", "Bearer"])
def test_any_other_key_is_401(emulator: Emulator, scheme: str) -> None:
    headers = {"Authorization": scheme}
    assert requests.get(f"{emulator.dify_url}/info", headers=headers, timeout=5).status_code == 401


def test_the_welcome_needs_no_key(emulator: Emulator) -> None:
    assert requests.get(f"{emulator.dify_url}/", timeout=5).json()["server_version"] == "1.14.2"


@pytest.mark.parametrize("kind", ["chat", "agent-chat", "advanced-chat"])
def test_the_server_remembers_the_first_question(emulator: Emulator, kind: str) -> None:
    held = turn(emulator, "My cat is called Tilda", kind=kind)[-1]["conversation_id"]
    events = turn(emulator, "what did I ask first?", kind=kind, conversation_id=held)
    assert answer_in(events) == 'Turn 2. You asked first: "My cat is called Tilda"'


@pytest.mark.parametrize("absent", ["", None, "   "])
def test_no_conversation_id_starts_a_conversation(emulator: Emulator, absent: str | None) -> None:
    events = turn(emulator, "what did I ask first?", conversation_id=absent)
    assert answer_in(events) == "Turn 1. This is your first question."


@pytest.mark.parametrize("kind", ["chat", "agent-chat", "advanced-chat"])
def test_an_answer_from_the_knowledge_base_cites_it(emulator: Emulator, kind: str) -> None:
    events = turn(emulator, "渡轮从几号码头出发？", kind=kind)
    end = next(event for event in events if event["event"] == "message_end")
    cited = end["metadata"]["retriever_resources"][0]
    assert answer_in(events) == f"Turn 1. From 游客指南.md: {cited['content']}"
    assert (cited["position"], cited["document_name"]) == (1, "游客指南.md")


def test_documents_replace_the_built_in_ones() -> None:
    with Emulator(token_delay_s=0, documents={"moon.md": "The moon is made of cheese.\n\nIt is far away."}) as own:
        assert answer_in(turn(own, "What is the moon made of?")).endswith("The moon is made of cheese.")
        assert "nothing" in answer_in(turn(own, FERRY))


def test_tricky_text_arrives_whole(emulator: Emulator) -> None:
    answer = answer_in(turn(emulator, "[[md]]"))
    for part in ("\n\ndata: {", "\nevent: ping\n", '"quoted" \\ back\u2028sep\u0085next\n'):
        assert part in answer


def test_an_empty_answer_is_an_empty_piece(emulator: Emulator) -> None:
    assert [event["event"] for event in turn(emulator, "[[empty]]")] == ["message", "message_end"]


def test_history_is_paged_backwards_and_reads_forwards(emulator: Emulator) -> None:
    held = turn(emulator, "question 0", user="pager")[0]["conversation_id"]
    for number in range(1, 5):
        turn(emulator, f"question {number}", user="pager", conversation_id=held)
    pages, first_id = [], ""
    while True:
        page = get(emulator, "messages", user="pager", conversation_id=held, limit=2, first_id=first_id).json()
        pages.append([message["query"] for message in page["data"]])
        if not page["has_more"]:
            break
        first_id = page["data"][0]["id"]
    assert pages == [["question 3", "question 4"], ["question 1", "question 2"], ["question 0"]]


def _told(seed: int) -> list[dict[str, Any]]:
    with Emulator(seed=seed, token_delay_s=0, held_open_s=0) as fresh:
        chat = turn(fresh, FERRY)
        flow = turn(fresh, FERRY, kind="advanced-chat", conversation_id="")
        return [*chat, *flow]


def test_the_same_seed_gives_the_same_ids_times_and_answers() -> None:
    assert _told(7) == _told(7)


def test_another_seed_gives_other_ids_and_keys() -> None:
    assert _told(7)[0]["message_id"] != _told(8)[0]["message_id"]
    assert Emulator(seed=7).dify_key != Emulator(seed=8).dify_key


def test_another_user_cannot_stop_a_stream(emulator: Emulator) -> None:
    response = post(emulator, "[[echo]] one two [[slow]]", stream=True)
    events = []
    for event in lines_of(response):
        events.append(event)
        stop(emulator, event["task_id"], user="bob")
    assert answer_in(events) == "one two"


@pytest.mark.parametrize(("kind", "stored"), [("chat", ""), ("agent-chat", ""), ("advanced-chat", "one two")])
def test_when_the_client_leaves_only_a_chatflow_keeps_the_answer(emulator: Emulator, kind: str, stored: str) -> None:
    response = post(emulator, "[[echo]] one two [[slow]]", kind=kind, stream=True)
    first = next(lines_of(response))
    response.close()
    assert history(emulator, [first], kind)[0]["answer"] == ""
    time.sleep(0.6)
    message = history(emulator, [first], kind)[0]
    assert (message["answer"], message["status"]) == (stored, "normal")


def test_stop_and_leave_at_once_loses_a_chat_answer(emulator: Emulator) -> None:
    response = post(emulator, "[[slow]]", stream=True)
    first = next(lines_of(response))
    stop(emulator, first["task_id"])
    response.close()
    time.sleep(0.4)
    assert history(emulator, [first])[0]["answer"] == ""


def test_users_asking_at_once_get_their_own_answers() -> None:
    def ask(number: int) -> list[dict[str, Any]]:
        return turn(busy, f"[[echo]] I am number {number}", user=f"user-{number}")

    with Emulator(token_delay_s=0.005) as busy:
        with ThreadPoolExecutor(20) as pool:
            turns = list(pool.map(ask, range(20)))
        assert [answer_in(events) for events in turns] == [f"I am number {number}" for number in range(20)]
        assert len({events[0]["conversation_id"] for events in turns}) == 20
        assert get(busy, "conversations", user="user-3").json()["data"][0]["name"].startswith("[[echo]]")


def test_feedback_is_kept_taken_back_and_nobody_elses(emulator: Emulator) -> None:
    events = turn(emulator, "hello")
    url = f"{emulator.dify_url}/messages/{events[0]['message_id']}/feedbacks"

    def rate(rating: object, user: str = "ann") -> tuple[int, str]:
        body = {"rating": rating, "user": user}
        response = requests.post(url, json=body, headers=bearer(emulator, "chat"), timeout=5)
        return response.status_code, response.json().get("code", "")

    assert rate(None) == (400, "invalid_param")
    assert rate("like", user="bob") == (404, "not_found")
    assert rate("love") == (400, "invalid_param")
    assert rate("like") == (200, "")
    assert history(emulator, events)[0]["feedback"] == {"rating": "like"}
    assert rate(None) == (200, "")
    assert history(emulator, events)[0]["feedback"] is None


def test_received_requests_are_kept_without_the_key(emulator: Emulator) -> None:
    before = len(emulator.requests)
    post(emulator, "hello", kind="advanced-chat")
    get(emulator, "conversations", user="ann")
    sent, listed = emulator.requests[before:]
    assert (sent.method, sent.path, sent.app) == ("POST", "/v1/chat-messages", "advanced-chat")
    assert (sent.body["query"], listed.query, listed.body) == ("hello", {"user": "ann"}, None)
    assert emulator.key("advanced-chat") not in repr(sent)


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'0\.1'.*'1\.14'"):
        Emulator(profile="0.1")


def test_an_unknown_app_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="'chat', 'agent-chat'"):
        Emulator().key("gpt")


def test_an_emulator_that_does_not_run_has_no_url() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Emulator().dify_url


def test_leaving_the_with_block_leaves_no_thread_and_no_socket() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = set(threading.enumerate())
        with Emulator() as running:
            url = running.dify_url
            pending = [post(running, "[[slow]]", kind=kind, stream=True) for kind in ("chat", "advanced-chat")]
            begun = time.monotonic()
        assert time.monotonic() - begun < 0.9
        assert set(threading.enumerate()) == before
        for response in pending:
            response.close()
        gc.collect()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/info", timeout=1)


def test_an_emulator_can_be_entered_again_and_starts_empty() -> None:
    again = Emulator(token_delay_s=0)
    for _ in range(2):
        with again:
            assert again.requests == []
            assert get(again, "conversations", user="ann").json()["data"] == []
            turn(again, "hello")


def test_an_emulator_cannot_be_entered_twice_at_once() -> None:
    with Emulator() as running, pytest.raises(RuntimeError, match="already"):
        running.__enter__()


@pytest.mark.asyncio
async def test_in_async_use_the_server_lives_in_the_callers_loop() -> None:
    threads = threading.active_count()
    async with Emulator(token_delay_s=0) as running, aiohttp.ClientSession() as session:
        body = {"inputs": {}, "query": FERRY, "user": "ann", "response_mode": "streaming"}
        url, headers = f"{running.dify_url}/chat-messages", bearer(running, "chat")
        async with session.post(url, json=body, headers=headers) as response:
            events = events_in(await response.text())
        assert events[-1]["event"] == "message_end"
        assert threading.active_count() == threads


@pytest.mark.asyncio
async def test_leaving_the_async_with_block_leaves_no_task_and_no_socket() -> None:
    async with Emulator(idle_limit_s=60) as running:
        url, pending = running.dify_url, []
        session = aiohttp.ClientSession()
        for kind, held in (("chat", ""), ("advanced-chat", ""), ("advanced-chat", UNKNOWN_ID)):
            body = {"inputs": {}, "query": "[[slow]]", "user": "ann", "conversation_id": held}
            body["response_mode"] = "streaming"
            pending.append(await session.post(f"{url}/chat-messages", json=body, headers=bearer(running, kind)))
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    for response in pending:
        response.close()
    await session.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].removesuffix("/v1")))
