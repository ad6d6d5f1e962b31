"""What `make demo` shows: a conversation that LangChain begins and LlamaIndex continues. It needs no key.

With DIFY_API_KEY and DIFY_BASE_URL set it talks to that app, else to the emulator.
"""

from __future__ import annotations

import sys

from langchain_core.messages import BaseMessage

from langchain_chatbots import ChatDify
from langchain_chatbots.demo import main, printable
from llama_index_chatbots import Dify, RemoteChatEngine


def continue_in_llama_index(model: ChatDify, history: list[BaseMessage]) -> None:
    """Ask once more, in the same conversation, by the other framework."""
    conversation_id = history[-1].response_metadata["conversation_id"]
    llm = Dify(api_key=model.api_key, base_url=model.base_url, user=model.user)
    question = "What did I ask first?"
    sys.stdout.write(f"\nThe same conversation, in LlamaIndex\n\nYou: {question}\nBot: ")
    answer = RemoteChatEngine.from_llm(llm, conversation_id=conversation_id).stream_chat(question)
    for piece in answer.response_gen:
        sys.stdout.write(printable(piece))
        sys.stdout.flush()
    sys.stdout.write(f"\n  conversation {answer.metadata['conversation_id']}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], then=continue_in_llama_index))
