"""What LangSmith's own client sends of a turn, to a server that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client, get_current_run_tree, traceable, tracing_context

from langchain_chatbots import ChatDify, DifyRetriever
from remote_chatbots.emulator import Emulator
from tests.contract.scripted import CHUNKED, LAST_CHUNK, Scripted, chunk, event, text
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel, summed

QUESTION = "When does the ferry leave?"
COSTS = {"total_cost": "total_price", "input_cost": "prompt_price", "output_cost": "completion_price"}


class Kept:
    """The runs that were sent, each with all that was said of it."""

    def __init__(self, client: Client, bodies: list[dict[str, Any]]) -> None:
        self.client = client
        self.bodies = bodies

    @property
    def runs(self) -> list[dict[str, Any]]:
        runs: dict[str, dict[str, Any]] = {}
        for body in self.bodies:
            known = runs.setdefault(body["id"], {})
            known.update({name: value for name, value in body.items() if value is not None})
        return list(runs.values())

    def named(self, name: str) -> dict[str, Any]:
        [run] = [run for run in self.runs if run["name"] == name]
        return run


@pytest.fixture
def langsmith(emulator: Emulator) -> Iterator[Kept]:
    bodies: list[dict[str, Any]] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append({"id": self.path.rpartition("/")[2], **sent})
            self.send_response(202)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_PATCH = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}", api_key="ls-key", auto_batch_tracing=False)
        try:
            yield Kept(client, bodies)
        finally:
            client.session.close()
            server.shutdown()
            thread.join()
    assert bodies
    for key in (emulator.dify_key, emulator.key("agent-chat"), emulator.gptbots_key):
        assert key not in json.dumps(bodies)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_tells_provider_model_and_tokens(
    langsmith: Kept, make_bot: MakeBot, platform: str, streamed: bool
) -> None:
    model = make_bot(platform, model_name="ferry desk")
    config: Any = {"callbacks": [LangChainTracer(client=langsmith.client)]}
    if streamed:
        list(model.stream(QUESTION, config))
    else:
        model.invoke(QUESTION, config)
    run = langsmith.named(type(model).__name__)
    told = run["extra"]["metadata"]
    assert (run["run_type"], told["ls_provider"], told["ls_model_name"]) == ("llm", platform, "ferry desk")
    usage = told["usage_metadata"]
    assert usage["input_tokens"] + usage["output_tokens"] <= usage["total_tokens"]
    assert usage["output_tokens"] > 0


def test_steps_are_runs_below_the_models(langsmith: Kept, make_model: MakeModel) -> None:
    with tracing_context(enabled=True, client=langsmith.client):  # as LANGSMITH_TRACING does
        list(make_model("agent-chat").stream("What time is it? [[time]]"))
    tool, model = langsmith.named("current_time"), langsmith.named("ChatDify")
    assert (tool["run_type"], tool["parent_run_id"], tool["trace_id"]) == ("tool", model["id"], model["id"])
    assert tool["outputs"]["output"] in json.dumps(model["outputs"])
    assert "ls_model_name" not in tool["extra"]["metadata"]


async def asked(model: Any, way: str, config: Any = None) -> Any:
    match way:
        case "invoke":
            return model.invoke(QUESTION, config)
        case "ainvoke":
            return await model.ainvoke(QUESTION, config)
        case "stream":
            return summed(list(model.stream(QUESTION, config)))
        case "astream":
            return summed([chunk async for chunk in model.astream(QUESTION, config)])
        case "v3":
            return model.stream_events(QUESTION, config, version="v3").output
    assert way == "async v3"
    return await (await model.astream_events(QUESTION, config, version="v3"))


def usage_told(run: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = run["extra"]["metadata"]["usage_metadata"]
    return told


@pytest.mark.parametrize("streaming", [None, False])
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "v3", "async v3"])
async def test_a_run_tells_the_price_beside_the_tokens(
    langsmith: Kept, make_model: MakeModel, way: str, streaming: bool | None
) -> None:
    config: Any = {"callbacks": [LangChainTracer(client=langsmith.client)]}
    answer = await asked(make_model(streaming=streaming), way, config)
    sent = answer.response_metadata["usage"]
    costs = {name: float(sent[price]) for name, price in COSTS.items()}
    assert costs["total_cost"] > costs["input_cost"] > 0
    assert usage_told(langsmith.named("ChatDify")) == answer.usage_metadata | costs
    assert not set(answer.usage_metadata) & set(costs)


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_tracer_of_the_models_own_and_one_of_the_surroundings_are_told_the_price(
    langsmith: Kept, make_model: MakeModel, way: str
) -> None:
    await asked(make_model(callbacks=[LangChainTracer(client=langsmith.client)], name="own"), way)
    with tracing_context(enabled=True, client=langsmith.client, metadata={"team": "ferries"}):
        await asked(make_model(name="around"), way)
    assert usage_told(langsmith.named("own"))["total_cost"] > 0
    around = langsmith.named("around")
    assert usage_told(around)["total_cost"] > 0
    assert around["extra"]["metadata"]["team"] == "ferries"


async def test_answers_of_turns_with_a_price_are_added_up(langsmith: Kept, make_model: MakeModel) -> None:
    counted = UsageMetadataCallbackHandler()
    config: Any = {"callbacks": [LangChainTracer(client=langsmith.client), counted]}
    model = make_model()
    first, second = await asked(model, "stream", config), await asked(model, "astream", config)
    total = add_usage(first.usage_metadata, second.usage_metadata)
    assert (first + second).usage_metadata == total
    assert counted.usage_metadata == {"dify-app": total}


def test_credits_are_no_price_in_dollars(langsmith: Kept, make_bot: MakeBot) -> None:
    config: Any = {"callbacks": [LangChainTracer(client=langsmith.client)]}
    answer = make_bot("gptbots", streaming=False).invoke(QUESTION, config)
    assert answer.response_metadata["usage"]["credits"]["total_credits"] > 0
    assert usage_told(langsmith.named("ChatGPTBots")) == answer.usage_metadata


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_retriever_that_asks_the_bot_tells_what_that_cost(
    langsmith: Kept, emulator: Emulator, awaited: bool
) -> None:
    retriever = DifyRetriever(api_key=emulator.dify_key, base_url=emulator.dify_url, user="prices")
    config: Any = {"callbacks": [LangChainTracer(client=langsmith.client)]}
    documents = await retriever.ainvoke(QUESTION, config) if awaited else retriever.invoke(QUESTION, config)
    assert documents
    told = usage_told(langsmith.named("DifyRetriever"))
    assert told["total_cost"] == pytest.approx(told["input_cost"] + told["output_cost"])
    assert told["input_cost"] > 0


def test_a_price_in_another_currency_reaches_a_run_around_it_in_the_way_that_the_page_tells(
    langsmith: Kept,
) -> None:
    in_dollars = {"RMB": 0.14}
    usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3, "total_price": "0.5", "currency": "RMB"}
    end = event("message_end", metadata={"usage": usage})

    @traceable(run_type="tool")
    def ask(question: str) -> str:
        answer = model.invoke(question)
        usage = answer.response_metadata["usage"]
        if (run := get_current_run_tree()) and usage["currency"] in in_dollars:
            run.set(usage_metadata={"total_cost": float(usage["total_price"]) * in_dollars[usage["currency"]]})
        return answer.text

    with (
        closing(Scripted([[CHUNKED, chunk(text("At nine.") + end), LAST_CHUNK]])) as server,
        tracing_context(enabled=True, client=langsmith.client),
    ):
        model = ChatDify(api_key="app-key", base_url=server.url, user="anna")
        assert ask(QUESTION) == "At nine."
    around, below = langsmith.named("ask"), langsmith.named("ChatDify")
    assert usage_told(around) == {"total_cost": 0.5 * 0.14}
    assert usage_told(below) == {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}
    assert below["parent_run_id"] == around["id"]


def test_a_chain_has_model_and_steps_in_one_tree(langsmith: Kept, make_model: MakeModel) -> None:
    chain = RunnableLambda(str.strip) | make_model("advanced-chat")
    chain.invoke(f" {QUESTION} ", {"callbacks": [LangChainTracer(client=langsmith.client)]})
    model = langsmith.named("ChatDify")
    below = [run["name"] for run in langsmith.runs if run.get("parent_run_id") == model["id"]]
    assert below == ["Start", "Knowledge Retrieval", "LLM", "Answer"]
    assert len({run["trace_id"] for run in langsmith.runs}) == 1
