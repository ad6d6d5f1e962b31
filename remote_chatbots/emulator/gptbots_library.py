"""The knowledge of GPTBots' agents: bases of documents over the shared index, and what a scope leaves of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .gptbots_turn import Scope
from .ids import Ids
from .knowledge import TOP_K, Hit, Knowledge, Segment


@dataclass(frozen=True, slots=True)
class Document:
    """A document and the segments it was cut into."""

    id: str
    name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base."""

    id: str
    name: str
    documents: tuple[Document, ...]


class Library:
    """All bases; every agent may search all of them."""

    def __init__(self, knowledge: Knowledge, bases: Mapping[str, Sequence[str]], ids: Ids) -> None:
        """Put the documents on their shelves.

        Args:
            knowledge: Holds and finds the documents.
            bases: The names of the documents of each base.
            ids: Gives bases, documents and segments their ids.
        """
        self._knowledge = knowledge
        self._ids = ids
        held = knowledge.documents
        self.bases = tuple(
            Base(
                ids.hex24("base", name),
                name,
                tuple(Document(self.document_id(each), each, tuple(held.get(each, ()))) for each in names),
            )
            for name, names in bases.items()
        )

    def document_id(self, name: str) -> str:
        """Return the id of a document."""
        return self._ids.hex24("document", name)

    def segment_id(self, segment: Segment) -> str:
        """Return the id of a piece of a document."""
        return self._ids.hex24("segment", segment.id)

    def search(self, query: str, scope: Scope, top_k: int = TOP_K) -> list[Hit]:
        """Find what fits a query within a scope, best first."""
        if scope.is_everything:
            return self._knowledge.search(query, top_k=top_k)
        named, bases = scope.data_ids or frozenset(), scope.group_ids or frozenset()
        allowed = {
            document.name
            for base in self.bases
            for document in base.documents
            if document.id in named or base.id in bases
        }
        return self._knowledge.search(query, top_k=top_k, documents=allowed)
