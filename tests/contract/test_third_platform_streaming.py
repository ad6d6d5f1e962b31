"""The stream of the platform that CONTRIBUTING.md builds: the interpreter of the guide, at work in both colours."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from langchain_chatbots import RemoteChatModel, sources
from llama_index_chatbots import RemoteLLM, source_nodes
from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotProtocolError,
    BotServerError,
    BotTruncatedError,
    BotUsageError,
    TextDelta,
)
from tests.contract.test_third_platform import KEY, _Handler, _Server, poller, serving

GARBLED = ["oops", "true", '{"id": "a task without a talk"}', '{"found": [3]}']


class _Streams(_Handler):
    def do_POST(self) -> None:  # noqa: N802
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._stranger():
            return
        talk = asked["talk"] or f"talk-{len(self.server.talks) + 1}"
        self.server.talks.setdefault(talk, []).append((asked["say"], ""))
        answer = f"Turn {len(self.server.talks[talk])}: {asked['say']} – é"
        told: list[dict[str, Any]] = [{"id": f"task-{talk}", "talk": talk}]
        told += [{"piece": answer[at : at + 4]} for at in range(0, len(answer), 4)]
        if "fail" in asked["say"]:
            told.append({"error": "no credit"})
        elif "break" not in asked["say"]:
            told += [{"found": [{"title": "ferry.md", "text": "Pier 3.", "page": 1}]}, {"done": True}]
        body = "".join(f"data: {json.dumps(one, ensure_ascii=False)}\r\n\r\n" for one in told).encode()
        if asked["say"] in GARBLED:
            body = body.partition(b'data: {"found"')[0] + f"data: {asked['say']}\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), 7):  # cut anywhere
            self.wfile.write(body[at : at + 7])
            self.wfile.flush()
            time.sleep(0.01 if "slow" in asked["say"] else 0)


class ChatStreaming(poller.PollingFields, RemoteChatModel):  # type: ignore[misc]
    def _bot(self) -> Any:
        return poller.StreamingBot(poller.Key(self.api_key.get_secret_value()), self.base_url, self._settings())


class Streaming(poller.PollingFields, RemoteLLM):  # type: ignore[misc]
    api_key: poller.SecretStr = poller.Field(exclude=True, repr=False)

    def _bot(self) -> Any:
        return poller.StreamingBot(poller.Key(self.api_key.get_secret_value()), self.base_url, self._settings())


@pytest.fixture
def server() -> Iterator[_Server]:
    with serving(_Streams) as running:
        yield running


@contextmanager
def asking(server: _Server, colour: str) -> Iterator[Any]:
    """Give what asks, and returns the answer."""
    bot = poller.StreamingBot(poller.Key(KEY), server.url)

    async def ask(*asked: Any, **given: Any) -> Any:
        async with AsyncBotClient(bot, user="anna") as client:
            return await client.ask(*asked, **given)

    with BotClient(bot, user="anna") as client:
        yield client.ask if colour == "sync" else lambda *asked, **given: asyncio.run(ask(*asked, **given))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_it_is_read_to_its_end_wherever_it_is_cut(server: _Server, colour: str) -> None:
    with asking(server, colour) as ask:
        first = ask("Hello")
        second = ask("Again", conversation_id=first.conversation_id)
        assert (first.text, second.text) == ("Turn 1: Hello – é", "Turn 2: Again – é")
        assert (first.message_id, first.finish_reason) == ("task-talk-1", "stop")


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(("said", "kind"), [("break", BotTruncatedError), ("fail", BotServerError)])
def test_what_breaks_off_or_fails_is_an_error_with_the_text_so_far(
    server: _Server, colour: str, said: str, kind: type[Exception]
) -> None:
    with asking(server, colour) as ask, pytest.raises(kind) as caught:
        ask(said)
    error: Any = caught.value
    assert (error.partial_text, error.conversation_id) == (f"Turn 1: {said} – é", "talk-1")
    assert len(server.talks["talk-1"]) == 1  # nothing was posted again


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("said", GARBLED)
def test_a_frame_of_another_form_is_an_error_with_the_text_so_far_that_says_where_it_was_read(
    server: _Server, colour: str, said: str
) -> None:
    with (
        asking(server, colour) as ask,
        pytest.raises(BotProtocolError, match=r"^poller: the reply .*\.(md|py):\d+") as caught,
    ):
        ask(said)
    error = caught.value
    assert (error.platform, error.partial_text, error.conversation_id) == ("poller", f"Turn 1: {said} – é", "talk-1")
    assert (error.__cause__, error.__context__, said in error.message) == (None, None, False)
    assert not error.retryable
    assert len(server.talks["talk-1"]) == 1


def test_a_frame_of_another_form_is_an_error_of_each_face(server: _Server) -> None:
    where = {"api_key": KEY, "base_url": server.url, "user": "anna"}
    model, llm = ChatStreaming(**where), Streaming(**where)
    for ask in (model.invoke, llm.complete):
        with pytest.raises(BotProtocolError, match=r"^poller: the reply could not be read"):
            ask("oops")
    model.close()
    llm.close()


def test_leaving_a_stream_whose_next_frame_is_of_another_form_raises_nothing(server: _Server) -> None:
    bot = poller.StreamingBot(poller.Key(KEY), server.url)
    with BotClient(bot, user="anna") as client, client.stream("oops", coalesce=False) as events:
        next(iter(events))
    assert server.stopped == ["task-talk-1"]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_stop_sequence_ends_it_and_its_server_is_told(server: _Server, colour: str) -> None:
    with asking(server, colour) as ask:
        assert ask("slowly", stop=["low"]).text == "Turn 1: s"
    assert server.stopped == ["task-talk-1"]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_file_is_refused(server: _Server, colour: str) -> None:
    with asking(server, colour) as ask, pytest.raises(BotUsageError, match=r"^poller: it takes words alone"):
        ask("Hello", inputs={"a": "b"})
    assert server.talks == {}


def test_both_faces_stream_it_and_continue(server: _Server) -> None:
    where = {"api_key": KEY, "base_url": server.url, "user": "anna"}
    model, llm = ChatStreaming(**where), Streaming(**where)
    first = model.invoke("Hello")
    chunks = list(model.stream([("human", "Hello"), first, ("human", "Again")]))
    assert "".join(chunk.text for chunk in chunks) == "Turn 2: Again – é"
    [document] = sources(first)
    assert (document.page_content, document.metadata["source"], document.metadata["page"]) == ("Pier 3.", "ferry.md", 1)
    responses = list(llm.stream_complete("Hello"))
    assert (responses[-1].text, len(responses) > 2) == ("Turn 1: Hello – é", True)
    assert [found.text for found in source_nodes(responses[-1])] == ["Pier 3."]
    with BotClient(model._bot(), user="anna") as client, client.stream("Hello") as events:
        assert next(event for event in events if isinstance(event, TextDelta))
    model.close()
    llm.close()
