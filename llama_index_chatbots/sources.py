"""The sources of an answer as LlamaIndex nodes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from pydantic import ConfigDict

from remote_chatbots.errors import BotUsageError
from remote_chatbots.passages import Passage, passages

_HOLDERS = ("message", "response", "metadata", "additional_kwargs")
_FOR_MODELS = ("title",)  # what a model may read of a node's metadata; ids and scores would only cost it tokens


class PassageNode(TextNode):
    """A passage. Found twice, each time with another score and another count of hits, it is still the same one."""

    model_config = ConfigDict(defer_build=True)  # its schema is made with the first: not all bots name sources

    @property
    def hash(self) -> str:
        """By what LlamaIndex's fusion knows a node again: here its text and its document's name."""
        told = f"{self.metadata.get('title')}\0{self.text or self.node_id}"
        return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def source_nodes(answer: Any) -> list[NodeWithScore]:
    """Return the passages that a bot named as sources of its answer.

    Example:
        >>> for found in source_nodes(llm.complete("When does the ferry leave?")):
        ...     print(found.metadata["source"], found.text)

    Args:
        answer: A `ChatResponse` or `CompletionResponse`, a `ChatMessage` (also one read from a chat store), what a chat
            engine, a query engine or an agent returned, or a list of any of these: then of the newest answer in it.

    Returns:
        Nodes in the server's order; [] where there are none. A node's text is the passage's, its id the segment's (of
        its own where the server gave none), its source relationship the document; `score` is None if the server gave
        none. The metadata has all the server's keys, and `source` and `title` (the document's name), `bot` and
        `message_id`.

    Raises:
        BotUsageError: If `answer` is none of these.
    """
    holds = isinstance(answer, (ChatMessage, list, tuple)) or any(hasattr(answer, name) for name in _HOLDERS)
    if not holds:
        raise BotUsageError(
            "source_nodes takes a response, a chat message, what an engine or an agent returned, or a list of these, "
            f"not {type(answer).__name__}. Give what the bot answered."
        )
    told = metadata_of(answer)
    return [] if told is None else [node_of(passage) for passage in passages(told)]


def node_of(passage: Passage) -> NodeWithScore:
    """Return a passage as a node; of its metadata a model reads the title alone."""
    hidden = [name for name in passage.metadata if name not in _FOR_MODELS]
    given: dict[str, Any] = {"text": passage.text, "metadata": passage.metadata}
    given |= {"excluded_llm_metadata_keys": hidden, "excluded_embed_metadata_keys": hidden}
    if passage.segment_id:
        given["id_"] = passage.segment_id
    node = PassageNode(**given)
    if passage.document_id:
        document = RelatedNodeInfo(node_id=passage.document_id, metadata={"title": passage.metadata["title"]})
        node.relationships[NodeRelationship.SOURCE] = document
    return NodeWithScore(node=node, score=passage.score)


def metadata_of(answer: Any) -> Mapping[str, Any] | None:
    """Return what rides on a bot's answer, of whichever shape; None if it is none."""
    if isinstance(answer, (list, tuple)):
        return next((told for one in reversed(answer) if (told := metadata_of(one)) is not None), None)
    if isinstance(answer, ChatMessage):
        return answer.additional_kwargs if "bot" in answer.additional_kwargs else None
    for name in _HOLDERS:
        inner = getattr(answer, name, None)
        if isinstance(inner, ChatMessage):
            return metadata_of(inner)
        if isinstance(inner, Mapping) and "bot" in inner:
            return inner
    return None
