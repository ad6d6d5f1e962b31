"""Thoughts and citations of a bot that runs, in each of LangChain's ways to ask, for both platforms."""

from __future__ import annotations

import asyncio
import functools
import operator
from typing import Any

import pytest

from langchain_chatbots import ChatDify, ChatGPTBots, sources
from remote_chatbots.emulator import Emulator, V2Missing

THOUGHT = "\nThe user asks. I consider 1 < 2.\n"


@pytest.fixture(params=["dify", "gptbots"])
def fields(request: pytest.FixtureRequest, emulator: Emulator) -> dict[str, Any]:
    if request.param == "dify":
        return {"kind": ChatDify, "api_key": emulator.dify_key, "base_url": emulator.dify_url}
    return {"kind": ChatGPTBots, "api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}


def model(fields: dict[str, Any], **more: Any) -> Any:
    given = {**fields, **more}
    return given.pop("kind")(user="anna", **given)


def bare(blocks: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


def in_every_way(bot: Any, question: str, **named: Any) -> list[Any]:
    async def of_a_loop() -> list[Any]:
        streamed = [chunk async for chunk in bot.astream(question, **named)]
        return [await bot.ainvoke(question, **named), functools.reduce(operator.add, streamed)]

    streamed = list(bot.stream(question, **named))
    return [bot.invoke(question, **named), functools.reduce(operator.add, streamed), *asyncio.run(of_a_loop())]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_a_thought_is_a_block_before_the_text(fields: dict[str, Any], output_version: str) -> None:
    bot = model(fields, output_version=output_version)
    for answer in in_every_way(bot, "Hi [[think]]"):
        thought, text = bare(answer.content_blocks)
        assert thought == {"type": "reasoning", "reasoning": THOUGHT}
        assert text["type"] == "text"
        assert "think" not in answer.text
        assert "found nothing" in answer.text
        assert isinstance(answer.content, str) is (output_version == "v0")


def test_v3_tells_the_thought_while_it_is_thought(fields: dict[str, Any]) -> None:
    stream = model(fields).stream_events("Hi [[think]]", version="v3")
    told = "".join(stream.reasoning)
    assert told == THOUGHT
    assert bare(stream.output.content)[0] == {"type": "reasoning", "reasoning": THOUGHT}


def test_the_switch_leaves_the_text_as_it_is(fields: dict[str, Any]) -> None:
    for answer in in_every_way(model(fields, reasoning=False), "Hi [[think]]"):
        assert answer.content.startswith(f"<think>{THOUGHT}</think>")
        assert [block["type"] for block in answer.content_blocks] == ["text"]


def test_the_next_turn_goes_on_behind_a_thought(fields: dict[str, Any]) -> None:
    bot = model(fields, output_version="v1")
    first = bot.invoke("Hi [[think]]")
    second = bot.invoke([("human", "Hi"), first, ("human", "And now?")])
    assert second.response_metadata["conversation_id"] == first.response_metadata["conversation_id"]
    assert "Turn 2" in second.text


@pytest.mark.parametrize("keep", [True, False], ids=["marks kept", "marks removed"])
def test_citation_marks_become_spans_of_citations(emulator: Emulator, keep: bool) -> None:
    server = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}
    bot = ChatGPTBots(**server, user="anna", corner_citation=True, citation_marks=keep)
    for answer in in_every_way(bot, "When does the ferry leave?"):
        (text,) = answer.content_blocks
        assert ("$[1]$" in answer.content) is keep
        cited = [one for one in text["annotations"] if "start_index" in one]
        assert cited
        for one in cited:
            assert "$[" not in answer.content[one["start_index"] : one["end_index"]]
            assert one["cited_text"]
        first = sources(answer)[0]
        assert (first.metadata["source"], first.metadata["title"]) == ("ferry.md", "ferry.md")
        assert first.id
        assert first.page_content in answer.content or not keep


def test_a_flows_output_beside_the_text_is_metadata_and_a_block(emulator: Emulator) -> None:
    bot = ChatGPTBots(api_key=emulator.key("gptbots-flow"), base_url=emulator.gptbots_url, user="anna")
    for answer in in_every_way(bot, "When does the ferry leave?")[1::2]:
        flow = answer.response_metadata["flow_output"]
        assert flow[0]["content"]
        assert {"type": "non_standard", "value": {"flow_output": flow}} in bare(answer.content_blocks)
        assert answer.content.count("ferry") == bot.invoke("When does the ferry leave?").content.count("ferry")


def test_a_server_without_v2_is_remembered_by_the_model(emulator: Emulator) -> None:
    emulator.faults.add(V2Missing(), times=None, user="old-server")
    bot = ChatGPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="old-server")
    before = len(emulator.requests)
    first = bot.invoke("Hi")
    bot.invoke([("human", "Hi"), first, ("human", "And now?")])
    asked = [request.path for request in emulator.requests[before:] if request.path.endswith("/message")]
    assert [path.split("/")[2] for path in asked] == ["v2", "v1", "v1"]
