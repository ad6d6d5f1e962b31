"""What LangSmith's own client sends of a turn, to a server that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client, get_current_run_tree, traceable, tracing_context

from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel

QUESTION = "When does the ferry leave?"


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


def test_the_price_of_a_turn_reaches_a_run_around_it_in_the_way_that_the_page_tells(
    langsmith: Kept, make_model: MakeModel
) -> None:
    model = make_model()

    @traceable(run_type="tool")
    def ask(question: str) -> str:
        answer = model.invoke(question)
        if run := get_current_run_tree():
            run.set(usage_metadata={"total_cost": float(answer.response_metadata["usage"]["total_price"])})
        return answer.text

    with tracing_context(enabled=True, client=langsmith.client):
        ask(QUESTION)
    around, below = langsmith.named("ask"), langsmith.named("ChatDify")
    assert around["extra"]["metadata"]["usage_metadata"]["total_cost"] > 0
    assert below["parent_run_id"] == around["id"]


def test_a_chain_has_model_and_steps_in_one_tree(langsmith: Kept, make_model: MakeModel) -> None:
    chain = RunnableLambda(str.strip) | make_model("advanced-chat")
    chain.invoke(f" {QUESTION} ", {"callbacks": [LangChainTracer(client=langsmith.client)]})
    model = langsmith.named("ChatDify")
    below = [run["name"] for run in langsmith.runs if run.get("parent_run_id") == model["id"]]
    assert below == ["Start", "Knowledge Retrieval", "LLM", "Answer"]
    assert len({run["trace_id"] for run in langsmith.runs}) == 1
