"""A third platform, which answers by being polled, written in this file and run by everything as it is.

It shows that drivers, clients and faces know no platform: if this file needed a change elsewhere, their design would
be wrong.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_chatbots import RemoteChatModel
from llama_index_chatbots import RemoteChatEngine, RemoteLLM
from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotError,
    BotNotFoundError,
    BotServerError,
    BotUsageError,
    Event,
    Finished,
    Question,
    Settings,
    Started,
    StoredMessage,
    TextDelta,
)
from remote_chatbots.flow import Flow, Sleep, call_json
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.wire import HttpRequest, ResponseHead, json_request

STANDARD = Settings()


# The platform: create a task, poll it, list the tasks of a talk.


@dataclass(frozen=True)
class PollingBot:
    """Answers grow while they are asked for."""

    base_url: str
    name: str = "poller"
    memory: Any = "server"
    settings: Settings = STANDARD
    bot_id: str = "poller:here"

    def ask(self, question: Question) -> Flow[None]:
        task = yield from self._call("POST", "/tasks", {"say": question.text, "talk": question.conversation_id})
        yield Started(conversation_id=task["talk"], message_id=task["id"])
        said = 0
        while not task.get("done"):
            yield Sleep(0.001)
            task = yield from self._call("GET", f"/tasks/{task['id']}")
            yield TextDelta(task["text"][said:])
            said = len(task["text"])
        yield Finished()

    def history(self, conversation_id: str, *, user: str = "", limit: int | None = None) -> Flow[list[StoredMessage]]:
        told = yield from self._call("GET", f"/talks/{conversation_id}")
        return [
            StoredMessage(role, text) for task in told for role, text in (("user", task[0]), ("assistant", task[1]))
        ]

    def _call(self, method: str, path: str, payload: object = None) -> Flow[Any]:
        url = self.base_url + path
        request = json_request(method, url, {}, payload) if payload else HttpRequest(method, url, {})
        _, _, told = yield from call_json(
            request, error_of=_refusal, policy=RetryPolicy(), limit_bytes=4096, platform=self.name
        )
        return told


def _refusal(head: ResponseHead, body: bytes) -> BotError:
    kind = BotNotFoundError if head.status == 404 else BotServerError
    return kind(f"poller: {head.status}. Ask for something else.", platform="poller", http_status=head.status)


class ChatPolling(RemoteChatModel):
    """The LangChain face of it."""

    api_key: Any = "none"
    base_url: str
    platform: ClassVar[str] = "poller"
    _environment: ClassVar[Any] = {"api_key": ("POLLER_KEY",), "user": ("POLLER_USER",)}

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"api_key": "none", **given})

    def _bot(self) -> BotProtocol:
        return PollingBot(self.base_url)


class Polling(RemoteLLM):
    """The LlamaIndex face of it."""

    base_url: str
    platform: ClassVar[str] = "poller"
    _environment: ClassVar[Any] = {"api_key": ("POLLER_KEY",), "user": ("POLLER_USER",)}

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"api_key": "none", **given})

    def _bot(self) -> BotProtocol:
        return PollingBot(self.base_url)


# A server of it.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: _Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts += 1
        if "fail" in asked["say"]:
            self._answer(500, {})
            return
        talk = asked["talk"] or f"talk-{len(self.server.talks) + 1}"
        before = self.server.talks.setdefault(talk, [])
        answer = f"Turn {len(before) + 1}: {asked['say']}"
        before.append((asked["say"], answer))
        id_ = f"task-{self.server.posts}"
        self.server.tasks[id_] = [talk, answer, 0]
        self._answer(200, {"id": id_, "talk": talk})

    def do_GET(self) -> None:
        _, kind, id_ = self.path.split("/")
        if kind == "talks":
            self._answer(200 if id_ in self.server.talks else 404, self.server.talks.get(id_))
            return
        task = self.server.tasks[id_]
        task[2] += 4
        self._answer(200, {"id": id_, "text": task[1][: task[2]], "done": task[2] >= len(task[1])})

    def _answer(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts = 0
        self.talks: dict[str, list[tuple[str, str]]] = {}
        self.tasks: dict[str, list[Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


async def _streamed(bot: BotProtocol, text: str, **named: Any) -> list[Event]:
    async with AsyncBotClient(bot, user="anna") as client:
        return [event async for event in client.stream(text, **named)]


def test_both_drivers_give_the_same_events_of_it(server: _Server) -> None:
    bot = PollingBot(server.url)
    with BotClient(bot, user="anna") as client:
        events = list(client.stream("Hello", conversation_id="here"))
    server.talks.clear()
    server.posts = 0

    assert asyncio.run(_streamed(bot, "Hello", conversation_id="here")) == events
    assert [type(event) for event in events] == [Started, *[TextDelta] * 4, Finished]


def test_a_client_continues_its_conversation_and_reads_its_history(server: _Server) -> None:
    with BotClient(PollingBot(server.url), user="anna") as client:
        first = client.ask("Hello")
        second = client.ask("Again", conversation_id=first.conversation_id)

        assert (first.text, second.text) == ("Turn 1: Hello", "Turn 2: Again")
        assert [one.text for one in client.history(first.conversation_id)] == [
            "Hello",
            first.text,
            "Again",
            second.text,
        ]
        with pytest.raises(BotNotFoundError, match=r"^poller: 404"):
            client.history("nowhere")
        with pytest.raises(BotUsageError, match=r"^poller: there is no call for 'delete'"):
            client.delete(first.conversation_id)


def test_what_it_refuses_is_an_error_in_both_colours_and_posted_once(server: _Server) -> None:
    bot = PollingBot(server.url)
    with BotClient(bot, user="anna") as client, pytest.raises(BotServerError):
        client.ask("please fail")
    with pytest.raises(BotServerError):
        asyncio.run(_streamed(bot, "please fail"))
    assert server.posts == 2


def test_the_langchain_face_streams_it_and_continues_its_conversation(server: _Server) -> None:
    model = ChatPolling(base_url=server.url, user="anna")

    chunks = list(model.stream("Hello"))
    first = chunks[0]
    for chunk in chunks[1:]:
        first = first + chunk
    assert isinstance(first, AIMessageChunk)
    assert first.content == "Turn 1: Hello"
    assert len([chunk for chunk in chunks if chunk.content]) == 4
    assert first.id == "task-1"

    async def again() -> Any:
        return await model.ainvoke([("human", "Hello"), first, ("human", "Again")])

    second = asyncio.run(again())
    assert second.content == "Turn 2: Again"
    assert second.response_metadata["conversation_id"] == first.response_metadata["conversation_id"]
    assert second.response_metadata["model_provider"] == "poller"
    model.close()


def test_the_llama_index_face_streams_it_and_continues_its_conversation(server: _Server) -> None:
    engine = RemoteChatEngine.from_llm(Polling(base_url=server.url, user="anna"))

    first = engine.stream_chat("Hello")
    assert list(first.response_gen) == ["Turn", " 1: ", "Hell", "o"]
    assert first.metadata["message_id"] == "task-1"

    second = asyncio.run(engine.achat("Again"))
    assert second.response == "Turn 2: Again"
    assert second.metadata["conversation_id"] == first.metadata["conversation_id"] == engine.conversation_id
    assert second.metadata["model_provider"] == "poller"
    engine._llm.close()


@pytest.mark.parametrize("kind", [ChatPolling, Polling])
def test_a_platform_that_tells_nothing_of_itself_says_so_when_it_is_asked(server: _Server, kind: Any) -> None:
    model = kind(base_url=server.url, user="anna")
    for find_out in (model.discover, lambda: asyncio.run(model.adiscover())):
        with pytest.raises(BotUsageError, match=r"^poller: there is no call for 'parameters' on this platform"):
            find_out()
    assert (model.learned.info, model.learned.parameters) == (None, None)
    model.close()
