"""`remote-chatbots demo`, and what `make demo` shows: a conversation that LangChain begins and LlamaIndex continues.

With DIFY_API_KEY and DIFY_BASE_URL set it talks to that app, else to the emulator.
"""

from __future__ import annotations

import argparse

from langchain_core.messages import BaseMessage

from langchain_chatbots import ChatDify
from langchain_chatbots.demo import main, say
from llama_index_chatbots import Dify, RemoteChatEngine
from remote_chatbots.cli.wrapping import Wrapped


def run(given: argparse.Namespace) -> int:
    """Run the demonstration with the questions that were given, if any; return the exit code."""
    return main(given.question, then=continue_in_llama_index)


def continue_in_llama_index(model: ChatDify, history: list[BaseMessage], out: Wrapped) -> None:
    """Ask once more, in the same conversation, by the other framework."""
    conversation_id = history[-1].response_metadata["conversation_id"]
    llm = Dify(api_key=model.api_key, base_url=model.base_url, user=model.user)
    question = "What did I ask first?"
    out.write(f"\nThe same conversation, in LlamaIndex\n\nYou: {question}\n")
    answer = RemoteChatEngine.from_llm(llm, conversation_id=conversation_id).stream_chat(question)
    say(answer.response_gen, out)
    out.write(f"\n  conversation {answer.metadata['conversation_id']}\n")
