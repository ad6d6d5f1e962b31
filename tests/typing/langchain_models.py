"""Read by mypy and never run: what the constructors and calls of the LangChain face take and give.

A line that must be refused says so by its `type: ignore`; where it were accepted, mypy would call the comment unused.
"""

from typing import assert_type

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from langchain_chatbots import (
    ChatDify,
    ChatGPTBots,
    DifyKnowledgeRetriever,
    GPTBotsKnowledgeRetriever,
    RemoteChatModel,
    RemoteModelSettings,
    show_live,
    sources,
)
from remote_chatbots import AppParameters, Timeouts

ChatDify()
ChatDify(api_key="app-x", base_url="https://dify.example", user="anna", inputs={"city": "Oslo"})
ChatDify(api_key=SecretStr("app-x"), user=None, timeout=None, stop=["a"], model="label", cache=True, tags=["a"])
ChatDify(timeout=5, workflow_id="x", auto_generate_name=False, trace_id="t", coalesce=False, streaming=True)
ChatDify(timeout=(1, 2.5), default_headers={"X-Gateway": "a"}, output_version="v1", disable_streaming="tool_calling")
ChatGPTBots(timeout=Timeouts(total_s=60), short_term_memory=True, knowledge=["d-1"], citation_marks=False)

ChatDify(usr="anna")  # type: ignore[call-arg]
ChatDify("app-x")  # type: ignore[call-arg]
ChatDify(api_key=5)  # type: ignore[arg-type]
ChatDify(user=5)  # type: ignore[arg-type]
ChatDify(timeout="5")  # type: ignore[arg-type]
ChatDify(short_term_memory=True)  # type: ignore[call-arg]
ChatDify(top_p=0.5)  # type: ignore[call-arg]
ChatGPTBots(workflow_id="x")  # type: ignore[call-arg]

DifyKnowledgeRetriever(dataset_id=["a", "b"], k=3, search_method="hybrid_search", timeout=5)
GPTBotsKnowledgeRetriever(api_key="app-x", group_ids="g", embedding_rate=0.5)
DifyKnowledgeRetriever(search_method="magic")  # type: ignore[arg-type]
DifyKnowledgeRetriever(user="anna")  # type: ignore[call-arg]
assert_type(DifyKnowledgeRetriever().invoke("Hello", k=2), list[Document])

model: RemoteChatModel = ChatDify()
settings: RemoteModelSettings = model
assert_type(model.invoke("Hello", user="anna", conversation_id=""), AIMessage)
assert_type(next(model.stream("Hello")), AIMessageChunk)
assert_type(model.as_tool(name="harbour"), BaseTool)
assert_type(sources(model.invoke("Hello")), list[Document])
assert_type(show_live(model.stream("Hello")), AIMessage)
assert_type(settings.api_key, SecretStr)
assert_type(ChatDify().discover(), ChatDify)
assert_type(model.learned.parameters, AppParameters | None)


async def asked() -> None:
    assert_type(await model.ainvoke("Hello"), AIMessage)
    assert_type(await ChatDify().adiscover(), ChatDify)
    async for chunk in model.astream("Hello"):
        assert_type(chunk, AIMessageChunk)
