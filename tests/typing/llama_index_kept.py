"""Read by mypy and never run: what the LlamaIndex face takes and gives of a server's history and knowledge.

A line that must be refused says so by its `type: ignore`; where it were accepted, mypy would call the comment unused.
"""

from typing import assert_type

from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import BaseMemory
from llama_index.core.schema import Document, NodeWithScore
from llama_index.core.storage.chat_store import BaseChatStore
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.tools import FunctionTool

from llama_index_chatbots import (
    Dify,
    DifyKnowledgeRetriever,
    GPTBots,
    RemoteChatEngine,
    RemoteChatStore,
    RemoteConversationReader,
    RemoteMemory,
    RemoteStreamingResponse,
    StoredConversations,
)
from remote_chatbots import Attachment

llm = Dify(conversations=StoredConversations(SimpleKVStore(), collection="sessions", claim_s=5))
memory: BaseMemory = RemoteMemory(llm, session_id="one", last=5)
store: BaseChatStore = RemoteChatStore(GPTBots(), user="anna", last=5)
reader = RemoteConversationReader(llm, user="anna", per="turn")

DifyKnowledgeRetriever(dataset_id="d", k=2, search_method="keyword_search").with_options(k=1).retrieve("Hello")
DifyKnowledgeRetriever(search_method="magic")  # type: ignore[arg-type]
DifyKnowledgeRetriever(user="anna")  # type: ignore[call-arg]

RemoteMemory()
RemoteMemory(llm, conversation_id="c", user="anna")
RemoteMemory(user=5)  # type: ignore[arg-type]
RemoteMemory(conversation="c")  # type: ignore[call-arg]
RemoteMemory("c")  # type: ignore[arg-type]
RemoteChatStore(llm, conversation_id="c")  # type: ignore[call-arg]
RemoteConversationReader(llm, per="month")  # type: ignore[arg-type]

engine = RemoteChatEngine.from_llm(llm, memory=memory)
assert_type(engine.chat("Hello"), AgentChatResponse)
assert_type(engine.chat(ChatMessage("Hello"), files=[Attachment.from_path("a.png")]).source_nodes, list[NodeWithScore])
assert_type(engine.stream_chat("Hello", inputs={"city": "Bergen"}), RemoteStreamingResponse)
engine.chat(5)  # type: ignore[arg-type]
engine.chat("Hello", files="a.png")  # type: ignore[arg-type]
assert_type(RemoteMemory(llm).get_all(), list[ChatMessage])
assert_type(store.get_keys(), list[str])
assert_type(llm.discover().as_tool(name="town"), FunctionTool)
assert_type(next(reader.lazy_load_data(["c"], limit=1)), Document)
RemoteMemory(llm).reset(delete=True)


async def _awaited() -> None:
    assert_type(await engine.achat("Hello"), AgentChatResponse)
    assert_type(await engine.astream_chat("Hello"), RemoteStreamingResponse)
    assert_type(await reader.alazy_load_data(limit=1), list[Document])
    async for document in reader.alazy_load_data():
        assert_type(document, Document)
    assert_type(await reader.aload_data(), list[Document])
