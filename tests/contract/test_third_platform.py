"""A third platform, which answers by being polled: the one that CONTRIBUTING.md builds, taken from there and run.

It shows that drivers, clients and faces know no platform, and that the guide is true.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessageChunk

from llama_index_chatbots import RemoteChatEngine
from remote_chatbots import (
    AsyncBotClient,
    BotAuthError,
    BotClient,
    BotNotFoundError,
    BotProtocolError,
    BotServerError,
    BotUsageError,
    Event,
    Finished,
    Started,
    TextDelta,
)
from remote_chatbots.protocol import BotProtocol

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"
*FILE, TRIAL = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
KEY = "poller-5ecret"


def _made() -> ModuleType:
    """Return the guide's file as a module; pydantic and pickle look for it by its name."""
    module = sys.modules.setdefault("poller", ModuleType("poller"))
    exec(compile("\n\n".join(FILE), str(GUIDE), "exec"), module.__dict__)
    return module


poller: Any = _made()
ChatPolling, Polling = poller.ChatPolling, poller.Polling


def _bot(url: str, key: str = KEY) -> Any:
    return poller.PollingBot(poller.Key(key), url)


# A server of it.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: _Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._stranger():
            return
        self.server.posts += 1
        if "fail" in asked["say"]:
            self._answer(500, {})
            return
        if "odd" in asked["say"]:
            self._answer(200, ["no task"])
            return
        talk = asked["talk"] or f"talk-{len(self.server.talks) + 1}"
        before = self.server.talks.setdefault(talk, [])
        answer = f"Turn {len(before) + 1}: {asked['say']}"
        before.append((asked["say"], answer))
        id_ = f"task-{self.server.posts}"
        self.server.tasks[id_] = [talk, answer, 0]
        self._answer(200, {"id": id_, "talk": talk})

    def do_GET(self) -> None:
        if self._stranger():
            return
        _, kind, id_ = self.path.split("/")
        if kind == "talks":
            self._answer(200 if id_ in self.server.talks else 404, self.server.talks.get(id_))
            return
        task = self.server.tasks[id_]
        task[2] += 4
        self._answer(200, {"id": id_, "text": task[1][: task[2]], "done": task[2] >= len(task[1])})

    def do_DELETE(self) -> None:
        self.server.stopped.append(self.path.rpartition("/")[2])
        self._answer(200, {})

    def _stranger(self) -> bool:
        known = self.headers["Authorization"] == f"Bearer {KEY}"
        if not known:
            self._answer(401, {})
        return not known

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
        self.stopped: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(handler: type[_Handler] = _Handler) -> Iterator[_Server]:
    """Run a server for as long as the block takes."""
    with _Server() as running:
        running.RequestHandlerClass = handler
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[_Server]:
    with serving() as running:
        yield running


async def _streamed(bot: BotProtocol, text: str, **named: Any) -> list[Event]:
    async with AsyncBotClient(bot, user="anna") as client:
        return [event async for event in client.stream(text, **named)]


def test_both_drivers_give_the_same_events_of_it(server: _Server) -> None:
    bot = _bot(server.url)
    with BotClient(bot, user="anna") as client:
        events = list(client.stream("Hello", conversation_id="here"))
    server.talks.clear()
    server.posts = 0

    assert asyncio.run(_streamed(bot, "Hello", conversation_id="here")) == events
    assert [type(event) for event in events] == [Started, *[TextDelta] * 4, Finished]


def test_a_client_continues_its_conversation_and_reads_its_history(server: _Server) -> None:
    with BotClient(_bot(server.url), user="anna") as client:
        first = client.ask("Hello")
        second = client.ask("Again", conversation_id=first.conversation_id)

        assert (first.text, second.text) == ("Turn 1: Hello", "Turn 2: Again")
        assert [one.text for one in client.history(first.conversation_id)] == [
            "Hello",
            first.text,
            "Again",
            second.text,
        ]
        with pytest.raises(BotNotFoundError, match=r"^poller: HTTP 404"):
            client.history("nowhere")
        with pytest.raises(BotUsageError, match=r"^poller: there is no call for 'delete'"):
            client.delete(first.conversation_id)


def test_the_guide_s_own_trial_runs(server: _Server, capsys: pytest.CaptureFixture[str]) -> None:
    trial = TRIAL.replace("poller-…", KEY).replace("https://poller.example.com", server.url)
    exec(compile(trial, f"{GUIDE}, the trial", "exec"), dict(vars(poller)))
    assert capsys.readouterr().out.splitlines() == ["Turn 1: Hello | Turn 2: Again", "Turn 1: Hello", "Turn 1: Hello"]


def test_leaving_it_early_stops_its_server_in_both_colours(server: _Server) -> None:
    bot = _bot(server.url)
    with BotClient(bot, user="anna") as client, client.stream("Hello") as events:
        next(iter(events))
        next(iter(events))

    async def leave() -> None:
        async with AsyncBotClient(bot, user="anna") as client, client.stream("Hello") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break

    asyncio.run(leave())
    assert server.stopped == ["task-1", "task-2"]


def test_what_it_cannot_send_is_refused_and_nothing_is_posted(server: _Server) -> None:
    for kind in (ChatPolling, Polling):
        model = kind(api_key=KEY, base_url=server.url, user="anna", stop=["\n"])
        ask = model.invoke if kind is ChatPolling else model.complete
        with pytest.raises(BotUsageError, match=r"^poller: it takes words alone"):
            ask("Hello")
        model.close()
    assert server.posts == 0


def test_its_key_shows_nowhere_and_a_wrong_one_is_refused_as_such(server: _Server) -> None:
    for kind in (ChatPolling, Polling):
        model = kind(api_key=KEY, base_url=server.url, user="anna")
        assert KEY not in f"{model!r} {model} {model.model_dump()} {model._bot()!r}"
        assert pickle.loads(pickle.dumps(model))._bot() == model._bot()
    made = ChatPolling(api_key=KEY, base_url=server.url, user="anna")
    ours: dict[str, Any] = {"allowed_objects": [ChatPolling], "valid_namespaces": ["poller"]}
    assert load(dumpd(made), **ours, secrets_map={"POLLER_API_KEY": KEY})._bot() == made._bot()
    with BotClient(_bot(server.url, "poller-0ther"), user="anna") as client, pytest.raises(BotAuthError) as caught:
        client.ask("Hello")
    assert "0ther" not in str(caught.value)


@pytest.mark.parametrize("address", ["nope", "poller.example.com", "ftp://poller.example.com", ""])
def test_an_address_that_is_none_is_refused_by_bot_and_models(address: str) -> None:
    for make in (poller.PollingBot, ChatPolling, Polling):
        with pytest.raises(BotUsageError, match=r"^poller: base_url"):
            make(api_key=KEY, base_url=address)
    with pytest.raises(BotUsageError, match=r"^poller: api_key is missing"):
        poller.PollingBot("", "https://poller.example.com")


def test_its_address_and_key_are_read_from_the_environment(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("POLLER_API_KEY", KEY), ("POLLER_URL", server.url), ("POLLER_USER", "anna")):
        monkeypatch.setenv(name, value)
    model, llm = ChatPolling(), Polling()
    assert (model.invoke("Hello").text, llm.complete("Hello").text) == ("Turn 1: Hello", "Turn 1: Hello")
    model.close()
    llm.close()


def test_what_it_refuses_is_an_error_in_both_colours_and_posted_once(server: _Server) -> None:
    bot = _bot(server.url)
    with BotClient(bot, user="anna") as client, pytest.raises(BotServerError):
        client.ask("please fail")
    with pytest.raises(BotServerError):
        asyncio.run(_streamed(bot, "please fail"))
    assert server.posts == 2


def test_a_reply_of_another_form_is_an_error_in_both_colours_and_posted_once(server: _Server) -> None:
    bot = _bot(server.url)
    with BotClient(bot, user="anna") as client, pytest.raises(BotProtocolError, match=r"^poller: the reply could not"):
        client.ask("odd")
    with pytest.raises(BotProtocolError, match=r"^poller: the reply could not be read \(TypeError at CONTRIBUTING"):
        asyncio.run(_streamed(bot, "odd"))
    assert server.posts == 2


def test_the_langchain_face_streams_it_and_continues_its_conversation(server: _Server) -> None:
    model = ChatPolling(api_key=KEY, base_url=server.url, user="anna")

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
    engine = RemoteChatEngine.from_llm(Polling(api_key=KEY, base_url=server.url, user="anna"))

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
    model = kind(api_key=KEY, base_url=server.url, user="anna")
    for find_out in (model.discover, lambda: asyncio.run(model.adiscover())):
        with pytest.raises(BotUsageError, match=r"^poller: there is no call for 'parameters' on this platform"):
            find_out()
    assert (model.learned.info, model.learned.parameters) == (None, None)
    model.close()
