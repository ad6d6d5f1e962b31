"""What an answer holds: text, ids, usage, sources, in every form that LangChain has."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, merge_message_runs
from langchain_core.runnables.utils import AddableDict
from langgraph.graph import START, MessagesState, StateGraph

from langchain_chatbots import ChatDify, sources
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import KINDS, MakeModel, conversation, summed

QUESTION = "When does the ferry leave?"


async def every_way(model: ChatDify) -> dict[str, Any]:
    """Return the answer to one question, asked in every way; each begins a conversation of its own."""
    stream = model.stream_events(QUESTION, version="v3")
    return {
        "invoke": model.invoke(QUESTION),
        "ainvoke": await model.ainvoke(QUESTION),
        "stream": summed(list(model.stream(QUESTION))),
        "astream": summed([chunk async for chunk in model.astream(QUESTION)]),
        "v3": stream.output,
        "async v3": await (await model.astream_events(QUESTION, version="v3")),
    }


def substance(message: Any) -> dict[str, Any]:
    """Return what must be equal however the answer was asked for: all but the ids of its turn."""
    told = {key: value for key, value in message.response_metadata.items() if not key.endswith("_id")}
    for volatile in ("created_at", "usage", "output_version"):
        told.pop(volatile, None)
    blocks = [{key: value for key, value in block.items() if key != "index"} for block in message.content_blocks]
    of_all = {"text": message.text, "blocks": blocks, "metadata": told, "usage": message.usage_metadata}
    # The server counts each hit, and a step has an id and a time of its own in each turn.
    same = re.sub(r'(hit_count|started_at|dialogue_count)": \d+', r'\1": 0', json.dumps(of_all))
    ids: dict[str, str] = {}
    return json.loads(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", lambda id_: ids.setdefault(id_[0], f"id {len(ids)}"), same))


@pytest.mark.parametrize("output_version", [None, "v1"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_is_the_same_however_it_is_asked_for(
    make_model: MakeModel, kind: str, output_version: str | None
) -> None:
    answers = await every_way(make_model(kind, output_version=output_version))
    first = substance(answers["invoke"])
    assert first["usage"]["total_tokens"] > 0
    assert first["metadata"]["finish_reason"] == "stop"
    assert {way: substance(answer) for way, answer in answers.items()} == dict.fromkeys(answers, first)


@pytest.mark.parametrize("kind", KINDS)
async def test_ids_are_the_servers_and_whole_in_every_form(make_model: MakeModel, kind: str) -> None:
    for way, answer in (await every_way(make_model(kind))).items():
        told = answer.response_metadata
        names = ["conversation_id", "message_id", "task_id", *(["workflow_run_id"] if kind == "advanced-chat" else [])]
        assert {name: len(told[name]) for name in names} == dict.fromkeys(names, 36), way
        assert answer.id == told["message_id"], way
        assert told["model_provider"] == "dify"
        assert told["model_name"] == "dify-app"


def test_each_metadata_key_is_on_exactly_one_chunk(make_model: MakeModel) -> None:
    chunks = list(make_model("advanced-chat").stream(QUESTION))
    keys = [key for chunk in chunks for key in chunk.response_metadata if key != "model_provider"]
    assert sorted(keys) == sorted(set(keys))
    assert "conversation_id" in chunks[0].response_metadata
    assert [chunk.usage_metadata is not None for chunk in chunks].count(True) == 1
    assert chunks[-1].chunk_position == "last"


def test_usage_and_price_stand_as_the_server_sent_them(make_model: MakeModel) -> None:
    answer = make_model().invoke(QUESTION)
    usage = answer.response_metadata["usage"]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == usage["total_tokens"]
    assert Decimal(usage["total_price"]) > 0
    assert usage["currency"] == "USD"


@pytest.mark.parametrize("kind", KINDS)
def test_sources_are_documents_in_the_servers_order(make_model: MakeModel, kind: str) -> None:
    answer = make_model(kind).invoke(QUESTION)
    told = answer.response_metadata["retriever_resources"]
    documents = sources(answer)
    assert documents
    assert [document.page_content for document in documents] == [resource["content"] for resource in told]
    first = documents[0]
    assert first.id == told[0]["segment_id"]
    assert first.metadata["source"] == first.metadata["title"] == told[0]["document_name"]
    assert first.metadata["score"] == told[0]["score"]
    assert first.metadata["bot"] == answer.response_metadata["bot"]
    assert first.metadata["message_id"] == answer.id
    assert {"position", "dataset_id", "dataset_name", "document_id", "segment_id"} <= set(first.metadata)


def test_an_answer_without_sources_has_none(make_model: MakeModel) -> None:
    answer = make_model().invoke("[[echo]]nothing to find")
    assert sources(answer) == []
    assert "annotations" not in answer.content_blocks[0]


def test_citations_are_standard_annotations(make_model: MakeModel) -> None:
    answer = make_model().invoke(QUESTION)
    (block,) = answer.content_blocks
    assert block["type"] == "text"
    cited = block["annotations"][0]
    assert cited["type"] == "citation"
    assert cited["title"] == "ferry.md"
    assert cited["cited_text"] == sources(answer)[0].page_content
    assert cited["extras"]["position"] == 1


@pytest.mark.parametrize("tag", ["[[md]]", "[[emoji]]", "[[long]]", "[[empty]]"])
async def test_hard_text_arrives_unharmed_in_every_form(make_model: MakeModel, tag: str) -> None:
    model = make_model()
    texts = [
        model.invoke(tag).text,
        (await model.ainvoke(tag)).text,
        str(summed(list(model.stream(tag))).text),
        str(summed([chunk async for chunk in model.astream(tag)]).text),
        make_model(streaming=False).invoke(tag).text,
    ]
    assert texts == [texts[0]] * 5
    if tag == "[[md]]":
        assert "\u2028" in texts[0]


def test_the_blocking_form_gives_one_whole_message(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model(streaming=False)
    (answer,) = model.stream(QUESTION)
    assert isinstance(answer, AIMessage)
    assert "9:00" in answer.text
    assert sources(answer)
    last = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"][-1]
    assert isinstance(last, dict)
    assert last["response_mode"] == "blocking"


def test_an_agent_that_refuses_the_blocking_form_is_asked_again_for_the_stream(
    emulator: Emulator, make_model: MakeModel
) -> None:
    model = make_model("agent-chat", streaming=False)
    assert "9:00" in model.invoke(QUESTION).text
    bodies = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    mine = [body for body in bodies if isinstance(body, dict) and body["user"] == model.user]
    assert [body["response_mode"] for body in mine] == ["blocking", "streaming"]


def test_without_coalescing_each_event_is_a_chunk(make_model: MakeModel) -> None:
    joined = list(make_model().stream("[[long]]"))
    apart = list(make_model(coalesce=False).stream("[[long]]"))
    assert summed(joined).text == summed(apart).text
    assert len(apart) > 300 > len(joined)


def test_stop_sequences_end_the_text_before_them(make_model: MakeModel) -> None:
    whole = make_model().invoke("[[echo]]one two three four").text
    assert whole.endswith("one two three four")
    for model, kwargs in (
        (make_model(), {"stop": ["three", "nowhere"]}),
        (make_model(stop=["one"]), {"stop_sequences": ["three"]}),
        (make_model(stop=["three"]), {}),
        (make_model(stop_sequences=["three"], coalesce=False), {}),
        (make_model(streaming=False, stop=["three"]), {}),
    ):
        answer = model.invoke("[[echo]]one two three four", **kwargs)
        assert answer.text == whole.partition("three")[0]
        assert answer.response_metadata["finish_reason"] == "stop"
    assert summed(list(make_model().stream("[[echo]]one two three", stop=["two"]))).text == whole.partition("two")[0]


def test_the_frameworks_cache_is_not_asked_unless_wanted(make_model: MakeModel) -> None:
    set_llm_cache(InMemoryCache())
    try:
        model = make_model()
        assert conversation(model.invoke(QUESTION)) != conversation(model.invoke(QUESTION))
    finally:
        set_llm_cache(None)


@pytest.mark.parametrize("output_version", [None, "v1"])
@pytest.mark.parametrize("kind", ["chat", "advanced-chat"])
def test_withdrawn_text_is_gone_wherever_langchain_and_langgraph_add_chunks(
    make_model: MakeModel, kind: str, output_version: str | None
) -> None:
    fields = {"output_version": output_version, "coalesce": False}
    asked = make_model(kind, **fields)
    chunks = list(asked.stream("[[bad]] Tell me"))
    graph = StateGraph(MessagesState).add_node("bot", lambda state: {"messages": asked.invoke(state["messages"])})
    compiled = graph.add_edge(START, "bot").compile()
    told, state = [], None
    for mode, part in compiled.stream({"messages": "[[bad]] Tell me"}, stream_mode=["messages", "values"]):
        if mode == "messages":
            told.append(part[0])
        else:
            state = part["messages"][-1]
    whole = asked.invoke("[[bad]] Tell me").text
    assert any(chunk.response_metadata.get("replaced") for chunk in chunks)
    texts = {
        "streaming": make_model(kind, streaming=True, **fields).invoke("[[bad]] Tell me").text,
        "stream": summed(chunks).text,
        "a list to a sum": ((chunks[0] + chunks[1]) + chunks[2:]).text,
        "messages of a graph": summed(told).text,
        "state of a graph": state.text,
        "v3": asked.stream_events("[[bad]] Tell me", version="v3").output.text,
        "in a dict": summed([AddableDict(a=chunk) for chunk in chunks])["a"].text,
        "merged runs": merge_message_runs([HumanMessage("Hi"), summed(chunks)])[-1].text,
    }
    assert texts == dict.fromkeys(texts, whole)


def test_a_sum_is_a_plain_chunk(make_model: MakeModel) -> None:
    chunks = list(make_model().stream(QUESTION))
    assert type(summed(chunks)) is AIMessageChunk
    assert type(chunks[0] + chunks[1:]) is AIMessageChunk
    assert (chunks[0] + chunks[1:]).content == summed(chunks).content


async def test_v2_events_hold_the_answer_at_their_end(make_model: MakeModel) -> None:
    events = [event async for event in make_model().astream_events(QUESTION, version="v2")]
    assert [event["event"] for event in (events[0], events[-1])] == ["on_chat_model_start", "on_chat_model_end"]
    output = events[-1]["data"]["output"]
    assert "9:00" in output.text
    assert conversation(output)
    assert sources(output)
