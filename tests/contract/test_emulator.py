"""The emulator over real sockets: it answers as the recorded servers did, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from remote_chatbots.emulator import Emulator

RECORDED = Path(__file__).parents[1] / "recorded" / "wire" / "1.14.2"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
FERRY = "When does the ferry to Gull Island leave?"

# The recorded apps had other variables than ours.
OUR_NAMES = {'"book"': '"guest"', "Alice": "Ann"}
OUR_REQUIRED_NAMES = {
    "book": "city",
    '"mode"': '"tone"',
    "mode in": "tone in",
    "guide": "brief",
    "scribe": "full",
}

# What an event means, as against what happened to be said.
TELLING = {
    "event",
    "reason",
    "status",
    "node_id",
    "node_type",
    "from_variable_selector",
    "total_steps",
    "exceptions_count",
    "retriever_from",
    "data_source_type",
    "currency",
    "finish_reason",
    "position",
    "code",
    "mode",
    "has_more",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02, idle_limit_s=0.05) as running:
        yield running


def recording(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    return loaded


def bearer(emulator: Emulator, kind: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {emulator.key(kind)}"}


def post(
    emulator: Emulator,
    query: str,
    *,
    kind: str = "chat",
    user: str = "ann",
    stream: bool = False,
    **body: Any,
) -> requests.Response:
    asked = {"inputs": {}, "query": query, "user": user, "response_mode": "streaming", **body}
    url = f"{emulator.dify_url}/chat-messages"
    return requests.post(url, json=asked, headers=bearer(emulator, kind), stream=stream, timeout=5)


def get(emulator: Emulator, path: str, *, kind: str = "chat", **query: Any) -> requests.Response:
    url = f"{emulator.dify_url}/{path}"
    return requests.get(url, params=query, headers=bearer(emulator, kind), timeout=5)


def events_in(text: str) -> list[dict[str, Any]]:
    blocks = text.split("\n\n")
    return [{"event": "ping"} if block == "event: ping" else json.loads(block[6:]) for block in blocks if block]


def turn(emulator: Emulator, query: str, **fields: Any) -> list[dict[str, Any]]:
    return events_in(post(emulator, query, **fields).content.decode())


def answer_in(events: list[dict[str, Any]]) -> str:
    return "".join(event["answer"] for event in events if event["event"] in ("message", "agent_message"))


def history(emulator: Emulator, events: list[dict[str, Any]], kind: str = "chat", user: str = "ann") -> Any:
    held = next(event["conversation_id"] for event in events if "conversation_id" in event)
    return get(emulator, "messages", kind=kind, user=user, conversation_id=held).json()["data"]


def lines_of(response: requests.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in response.iter_lines(chunk_size=1) if line.startswith(b"data: "))


def shape(value: Any, key: str = "") -> Any:
    """Return the keys in their order and the types of values; texts, ids and numbers may differ."""
    if key in TELLING:
        return value
    if isinstance(value, dict):
        return [(name, shape(item, name)) for name, item in value.items()]
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def collapsed(events: list[dict[str, Any]]) -> list[Any]:
    """Return the shapes of events with runs of text pieces taken together."""
    shapes = [shape(event) for event in events]
    return [each for place, each in enumerate(shapes) if place == 0 or each != shapes[place - 1]]


def recorded_events(name: str) -> list[dict[str, Any]]:
    text = "".join(chunk["text"] for chunk in recording(name)["response"]["chunks"])
    for theirs, ours in OUR_NAMES.items():
        text = text.replace(theirs, ours)
    return events_in(text)


def recorded_body(name: str) -> Any:
    text = recording(name)["response"]["body"]
    for theirs, ours in OUR_NAMES.items():
        text = text.replace(theirs, ours)
    return json.loads(text)


SCENARIOS = [
    ("chat-stream-1-first-turn", "chat", [FERRY]),
    ("chat-stream-2-second-turn", "chat", [FERRY, FERRY]),
    ("chat-stream-model-failmid", "chat", ["Tell me [[failmid]]"]),
    ("agent-stream-1-one-tool", "agent-chat", ["What time is it? [[time]]"]),
    ("agent-stream-2-second-turn", "agent-chat", ["[[time]]", "And again? [[time]]"]),
    ("agent-stream-no-tool", "agent-chat", ["Just say hello"]),
    ("agent-stream-model-fail500", "agent-chat", ["Tell me [[fail]]"]),
    ("chatflow-stream-1-first-turn", "advanced-chat", [FERRY]),
    ("chatflow-stream-2-second-turn", "advanced-chat", [FERRY, FERRY]),
    ("chatflow-stream-model-fail500", "advanced-chat", ["Tell me [[fail]]"]),
]


@pytest.mark.parametrize(("name", "kind", "queries"), SCENARIOS, ids=[name for name, _, _ in SCENARIOS])
def test_a_stream_has_the_recorded_events_in_order_with_the_recorded_keys(
    emulator: Emulator, name: str, kind: str, queries: list[str]
) -> None:
    events: list[dict[str, Any]] = []
    for query in queries:
        held = events[-1]["conversation_id"] if events else ""
        events = turn(emulator, query, kind=kind, inputs={"guest": "Ann"}, conversation_id=held)
    assert collapsed(events) == collapsed(recorded_events(name))


def test_an_agents_knowledge_tool_looks_as_recorded(emulator: Emulator) -> None:
    def without_tool_name(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            if event.get("tool_labels"):
                event["tool_labels"] = {"dataset": next(iter(event["tool_labels"].values()))}
        return events

    theirs = without_tool_name(recorded_events("agent-stream-knowledge-tool-hq"))
    ours = without_tool_name(turn(emulator, FERRY, kind="agent-chat"))
    assert collapsed(ours) == collapsed(theirs)


@pytest.mark.parametrize(
    ("name", "kind"), [("chat-block-1-first-turn", "chat"), ("chatflow-block-1-first-turn", "advanced-chat")]
)
def test_a_blocking_answer_has_the_recorded_keys(emulator: Emulator, name: str, kind: str) -> None:
    body = post(emulator, FERRY, kind=kind, response_mode="blocking").json()
    assert shape(body) == shape(recorded_body(name))


@pytest.mark.parametrize("name", ["chat-block-1-first-turn", "chat-stream-1-first-turn", "chat-info"])
def test_response_headers_are_those_recorded(emulator: Emulator, name: str) -> None:
    request = recording(name)["request"]
    url = emulator.dify_url.removesuffix("/v1") + request["path"]
    response = requests.request(
        request["method"], url, json=request.get("body"), headers=bearer(emulator, "chat"), timeout=5
    )
    theirs = recording(name)["response"]["headers"]
    assert set(response.headers) == set(theirs)
    ours = {key: value for key, value in response.headers.items() if key not in ("Date", "Content-Length")}
    assert ours.items() <= theirs.items()


def test_a_chatflow_s_first_bytes_are_a_ping(emulator: Emulator) -> None:
    assert post(emulator, "hello", kind="advanced-chat").content.startswith(b"event: ping\n\ndata: ")


def test_events_are_compact_json_in_raw_utf_8(emulator: Emulator) -> None:
    raw = post(emulator, "[[emoji]]").content
    assert b'data: {"event":"message","conversation_id":"' in raw
    assert "👋".encode() in raw


@pytest.mark.parametrize(
    ("name", "kind", "queries"),
    [
        ("agent-messages-history", "agent-chat", ["[[time]]", "Again [[time]]"]),
        ("chatflow-messages-history", "advanced-chat", [FERRY, FERRY]),
    ],
)
def test_the_history_has_the_recorded_keys(emulator: Emulator, name: str, kind: str, queries: list[str]) -> None:
    events = turn(emulator, queries[0], kind=kind)
    held = events[-1]["conversation_id"]
    turn(emulator, queries[1], kind=kind, conversation_id=held)
    body = get(emulator, "messages", kind=kind, user="ann", conversation_id=held).json()
    theirs = recorded_body(name)
    for message in (*body["data"], *theirs["data"]):
        message["inputs"] = {}
    assert shape(body) == shape(theirs)


def test_a_list_of_conversations_has_the_recorded_keys(emulator: Emulator) -> None:
    for _ in range(3):
        turn(emulator, "hello", user="lister", inputs={"guest": "Ann", "notes": None})
    body = get(emulator, "conversations", user="lister", limit=2).json()
    body["data"][0]["inputs"] = recorded_body("conversations-page-1")["data"][0]["inputs"]
    assert shape(body) == shape(recorded_body("conversations-page-1"))


@pytest.mark.parametrize(
    ("name", "kind", "path"),
    [
        ("chat-info", "chat", "info"),
        ("chat-parameters", "chat", "parameters"),
        ("chatflow-parameters", "advanced-chat", "parameters"),
    ],
)
def test_an_app_describes_itself_with_the_recorded_keys(emulator: Emulator, name: str, kind: str, path: str) -> None:
    ours, theirs = get(emulator, path, kind=kind).json(), recorded_body(name)
    if kind == "advanced-chat":
        # That app took files, ours does not.
        del ours["file_upload"], theirs["file_upload"]
    assert shape(ours) == shape(theirs)


REFUSALS = [
    ("err-dataset-key-on-app", ""),
    ("err-no-auth", ""),
    ("err-missing-user", "chat"),
    ("err-empty-user", "chat"),
    ("err-missing-query", "chat"),
    ("err-query-empty", "chat"),
    ("chat-block-inputs-a-list", "chat"),
    ("err-conversation-id-not-uuid", "chat"),
    ("err-body-wrong-type", "chat"),
    ("err-body-json-as-text", "chat"),
    ("err-unknown-path", "chat"),
    ("err-get-chat-messages", "chat"),
    ("err-messages-limit-0", "chat"),
    ("err-messages-limit-101", "chat"),
    ("err-messages-unknown-conversation", "chat"),
    ("err-conversations-bad-sort", "chat"),
    ("err-conversations-unknown-last-id", "chat"),
    ("err-input-not-a-string", "chat-required"),
    ("err-input-not-an-option", "chat-required"),
    ("err-input-too-long", "chat-required"),
    ("err-required-input-missing-stream", "chat-required"),
    ("err-input-too-long-chatflow-block", "advanced-chat-required"),
    ("err-required-input-missing-chatflow-block", "advanced-chat-required"),
    ("chat-stop-no-user", "chat"),
    ("chat-stop-unknown-task", "chat"),
    ("chat-stop-call", "chat"),
]


@pytest.mark.parametrize(("name", "kind"), REFUSALS, ids=[name for name, _ in REFUSALS])
def test_a_request_is_refused_in_the_recorded_words(emulator: Emulator, name: str, kind: str) -> None:
    # The recorded request is sent again, and the body must be the recorded one.
    text = json.dumps(recording(name))
    if kind.endswith("required"):
        for theirs, ours in OUR_REQUIRED_NAMES.items():
            text = text.replace(theirs, ours).replace(theirs.replace('"', '\\"'), ours.replace('"', '\\"'))
    exchange = json.loads(text)
    request, expected = exchange["request"], exchange["response"]
    headers = {key: value for key, value in request["headers"].items() if key in ("Content-Type", "Authorization")}
    if kind:
        headers |= bearer(emulator, kind)
    body = request.get("body")
    data = body if isinstance(body, str) or body is None else json.dumps(body)
    url = emulator.dify_url.removesuffix("/v1") + request["path"]
    response = requests.request(request["method"], url, data=data, headers=headers, timeout=5)
    assert (response.status_code, response.text) == (expected["status"], expected["body"])
    for header in ("Content-Type", "WWW-Authenticate", "Access-Control-Allow-Origin", "X-Version"):
        assert response.headers.get(header) == expected["headers"].get(header)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("chat-block-model-fail500", "chat"), ("chatflow-block-model-fail500", "advanced-chat")],
)
def test_a_model_failure_in_blocking_mode_is_refused_in_the_recorded_words(
    emulator: Emulator, name: str, kind: str
) -> None:
    response = post(emulator, "Tell me [[fail]]", kind=kind, response_mode="blocking")
    assert (response.status_code, response.text) == (400, recording(name)["response"]["body"])


def test_a_blocking_chat_app_cannot_break_off_half_way(emulator: Emulator) -> None:
    assert post(emulator, "Tell me [[failmid]]", response_mode="blocking").status_code == 200


def test_an_agent_refuses_blocking_mode(emulator: Emulator) -> None:
    body = post(emulator, "hello", kind="agent-chat", response_mode=None).json()
    assert body["message"] == "Agent Chat App does not support blocking mode"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("err-unknown-conversation-chatflow-stream", "advanced-chat"),
        ("err-required-input-missing-chatflow-stream", "advanced-chat-required"),
    ],
)
def test_a_chatflow_that_cannot_begin_sends_one_ping_and_ends_at_the_idle_limit(
    emulator: Emulator, name: str, kind: str
) -> None:
    exchange = recording(name)
    response = post(emulator, kind=kind, **exchange["request"]["body"])
    sent = "".join(chunk["text"] for chunk in exchange["response"]["chunks"])
    assert (response.status_code, response.text) == (200, sent)


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


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("chat", "chat-stream-stopped"),
        ("agent-chat", "agent-stream-stopped"),
        ("advanced-chat", "chatflow-stream-stopped"),
    ],
)
def test_a_stopped_stream_ends_as_recorded_and_keeps_what_was_said(emulator: Emulator, kind: str, name: str) -> None:
    response = post(emulator, "Go on [[slow]]", kind=kind, stream=True, inputs={"guest": "Ann"})
    events, begun = [], time.monotonic()
    for event in lines_of(response):
        events.append(event)
        if answer_in(events) == "This":
            stop = f"{emulator.dify_url}/chat-messages/{event['task_id']}/stop"
            requests.post(stop, json={"user": "ann"}, headers=bearer(emulator, kind), timeout=5)
            begun = time.monotonic()
    assert time.monotonic() - begun < 0.6
    theirs = [event for event in recorded_events(name) if event["event"] != "ping"]
    assert collapsed(events) == collapsed(theirs)
    stored = history(emulator, events, kind)[0]
    assert (stored["answer"], stored["status"]) == (answer_in(events), "normal")


def test_another_user_cannot_stop_a_stream(emulator: Emulator) -> None:
    response = post(emulator, "[[echo]] one two [[slow]]", stream=True)
    events = []
    for event in lines_of(response):
        events.append(event)
        stop = f"{emulator.dify_url}/chat-messages/{event['task_id']}/stop"
        requests.post(stop, json={"user": "bob"}, headers=bearer(emulator, "chat"), timeout=5)
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
    stop = f"{emulator.dify_url}/chat-messages/{first['task_id']}/stop"
    requests.post(stop, json={"user": "ann"}, headers=bearer(emulator, "chat"), timeout=5)
    response.close()
    time.sleep(0.4)
    assert history(emulator, [first])[0]["answer"] == ""


def test_a_chatflow_holds_its_body_open_after_the_last_event() -> None:
    with Emulator(token_delay_s=0, held_open_s=0.3) as holding:
        response = post(holding, "hello", kind="advanced-chat", stream=True)
        for event in lines_of(response):
            if event["event"] == "workflow_finished":
                finished = time.monotonic()
        assert 0.2 < time.monotonic() - finished < 0.8


def test_users_asking_at_once_get_their_own_answers() -> None:
    def ask(number: int) -> list[dict[str, Any]]:
        return turn(busy, f"[[echo]] I am number {number}", user=f"user-{number}")

    with Emulator(token_delay_s=0.005) as busy:
        with ThreadPoolExecutor(20) as pool:
            turns = list(pool.map(ask, range(20)))
        assert [answer_in(events) for events in turns] == [f"I am number {number}" for number in range(20)]
        assert len({events[0]["conversation_id"] for events in turns}) == 20
        assert get(busy, "conversations", user="user-3").json()["data"][0]["name"].startswith("[[echo]]")


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
        url = running.dify_url
        session = aiohttp.ClientSession()
        for kind, held in (("chat", ""), ("advanced-chat", ""), ("advanced-chat", UNKNOWN_ID)):
            body = {"inputs": {}, "query": "[[slow]]", "user": "ann", "conversation_id": held}
            body["response_mode"] = "streaming"
            await session.post(f"{url}/chat-messages", json=body, headers=bearer(running, kind))
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    await session.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].removesuffix("/v1")))
