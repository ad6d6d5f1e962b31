"""The platform of CONTRIBUTING.md in the shape of OpenAI: chunks, `[DONE]`, an id that the client makes, a 429."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots import Answer, AsyncBotClient, BotClient, BotRateLimitError, BotTruncatedError
from tests.contract.test_third_platform import KEY, _Handler, _Server, poller, serving


class _Chunks(_Handler):
    def do_POST(self) -> None:  # noqa: N802
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = asked["messages"][-1]["content"]
        self.server.posts += 1
        if "busy" in said and (self.server.posts == 1 or "long" in said):
            self.send_response(429)
            self.send_header("Retry-After", "120" if "long" in said else "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        before = self.server.talks.setdefault(asked["chat_id"], [])
        before.append((said, ""))
        told: list[Any] = [{"choices": [{"delta": {"role": "assistant"}}]}]
        told += [{"choices": [{"delta": {"content": piece}}]} for piece in (f"Turn {len(before)}", ": ", said)]
        told.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}})
        body = "".join(f"data: {json.dumps(one)}\n\n" for one in told) + ("" if "break" in said else "data: [DONE]\n\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def server() -> Iterator[_Server]:
    with serving(_Chunks) as running:
        yield running


def ask(server: _Server, colour: str, text: str, conversation_id: str = "") -> Answer:
    bot = poller.ChunkBot(poller.Key(KEY), server.url)

    async def asked() -> Answer:
        async with AsyncBotClient(bot, user="anna") as client:
            return await client.ask(text, conversation_id=conversation_id)

    if colour == "async":
        return asyncio.run(asked())
    with BotClient(bot, user="anna") as client:
        return client.ask(text, conversation_id=conversation_id)


both_colours = pytest.mark.parametrize("colour", ["sync", "async"])


@both_colours
def test_its_tokens_are_told_and_the_conversation_goes_on_under_the_id_that_was_made(
    server: _Server, colour: str
) -> None:
    first = ask(server, colour, "Hello")
    second = ask(server, colour, "Again", first.conversation_id)
    assert (first.text, second.text) == ("Turn 1: Hello", "Turn 2: Again")
    assert list(server.talks) == [first.conversation_id] == [second.conversation_id]
    assert first.usage is not None
    assert (first.usage.prompt_tokens, first.usage.completion_tokens, first.usage.total_tokens) == (3, 4, 7)


@both_colours
def test_a_stream_without_its_mark_broke_off(server: _Server, colour: str) -> None:
    with pytest.raises(BotTruncatedError) as caught:
        ask(server, colour, "break")
    assert (caught.value.partial_text, caught.value.conversation_id) == ("Turn 1: break", next(iter(server.talks)))


@both_colours
def test_what_it_puts_off_is_asked_again_when_it_says_and_raised_where_that_is_long(
    server: _Server, colour: str
) -> None:
    assert ask(server, colour, "busy").text == "Turn 1: busy"
    with pytest.raises(BotRateLimitError) as caught:
        ask(server, colour, "busy for long")
    assert (caught.value.retry_after_s, server.posts) == (120.0, 3)
