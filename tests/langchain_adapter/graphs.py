"""Graphs that ask a bot, their checkpointers, and a process that runs one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_chatbots import ChatDify, ChatGPTBots

Saver = BaseCheckpointSaver[Any]


@contextmanager
def saver_at(address: str) -> Iterator[Saver]:
    """Give the checkpointer of an address: "memory", a postgresql:// one, or the path of a SQLite file."""
    if address == "memory":
        yield InMemorySaver()
    elif address.startswith("postgresql://"):
        with PostgresSaver.from_conn_string(address) as saver:
            saver.setup()
            yield saver
    else:
        with SqliteSaver.from_conn_string(address) as saver:
            yield saver


@asynccontextmanager
async def async_saver_at(address: str) -> AsyncIterator[Saver]:
    """Give the same for a graph that is awaited."""
    if address == "memory":
        yield InMemorySaver()
    elif address.startswith("postgresql://"):
        async with AsyncPostgresSaver.from_conn_string(address) as saver:
            await saver.setup()
            yield saver
    else:
        async with AsyncSqliteSaver.from_conn_string(address) as saver:
            yield saver


def graph_of(model: BaseChatModel, saver: Saver | None = None) -> Any:
    """Return a graph of one node, which asks the model for the state's messages."""

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("bot", RunnableLambda(ask, aask))
    graph.add_edge(START, "bot")
    return graph.compile(checkpointer=saver)


def thread(name: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def said(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def main(platform: str, url: str, address: str, question: str) -> None:
    """Ask in the thread "anna", tell the conversation and the answer, and wait to be killed."""
    kind = {"dify": ChatDify, "gptbots": ChatGPTBots}[platform]
    model = kind(api_key=os.environ["BOT_KEY"], base_url=url, user="anna")
    with saver_at(address) as saver:
        answer = graph_of(model, saver).invoke(said(question), thread("anna"))["messages"][-1]
        print(answer.response_metadata["conversation_id"], answer.text.replace("\n", " "), flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
