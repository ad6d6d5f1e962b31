"""Dify's knowledge bases: which there are, how each is set up, and what a search of one finds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .ids import Ids
from .knowledge import TOP_K, Hit, Knowledge, Segment
from .metadata_filter import Metadata, fits
from .refusals import Refusal, not_found

KEYWORDS = "keyword_search"
MEANING = "semantic_search"
_BY_MODEL = (MEANING, "full_text_search", "hybrid_search")
_SENTENCE = re.compile(r"(?<=[.。])\s*")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a knowledge base is set up.

    Attributes:
        name: Its name.
        documents: Document name to text.
        technique: "economy" indexes keywords alone and needs no model.
        in_children: Whether sentences are what is found, and the segment around them what is given.
    """

    name: str
    documents: Mapping[str, str]
    technique: Literal["high_quality", "economy"] = "high_quality"
    in_children: bool = False


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One search, its shape checked but nothing looked up; what is `None` is as the knowledge base has it.

    Attributes:
        threshold: Hits with a lower score are left out.
        conditions: What the documents' metadata must be.
    """

    query: str
    method: str | None = None
    top_k: int | None = None
    threshold: float | None = None
    conditions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One hit of a search.

    Attributes:
        score: `None` where words were looked for: they have no score.
        children: The sentences that were found, where the knowledge base is cut into these.
    """

    segment: Segment
    hit_count: int
    score: float | None
    children: Sequence[str] | None


@dataclass(frozen=True)
class Dataset:
    """One knowledge base."""

    plan: Plan
    knowledge: Knowledge
    metadata: Mapping[str, Metadata]
    id: str
    top_k: int = TOP_K
    documents: Mapping[str, list[Segment]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", self.knowledge.documents)

    @property
    def method(self) -> str:
        """How it is searched when nothing is said."""
        return KEYWORDS if self.plan.technique == "economy" else MEANING

    @property
    def form(self) -> str:
        """Dify's name for how its documents are cut."""
        return "hierarchical_model" if self.plan.in_children else "text_model"

    def document_id(self, name: str) -> str:
        """Return the id of a document."""
        return self.documents[name][0].document_id

    def search(self, asked: Retrieval) -> list[Found]:
        """Return what fits, best first. Whatever the method is called, words are looked for; nothing is reranked.

        Raises:
            Refusal: 400: an economy index has no embedding model, and the workspace none to lend it (Dify, source).
        """
        method = asked.method or self.method
        if method in _BY_MODEL and self.plan.technique == "economy":
            raise Refusal(
                400,
                "provider_not_initialize",
                "No valid model provider credentials found. Please go to Settings -> Model Provider to complete your "
                "provider credentials.",
            )
        if method not in (*_BY_MODEL, KEYWORDS):
            return []  # recorded: 0.15.3/dataset-retrieve-unknown-search-method
        conditions = asked.conditions
        allowed = None
        if conditions is not None:
            allowed = {name for name in self.documents if fits(conditions, self.metadata.get(name, {}))}
        hits = self.knowledge.search(asked.query, top_k=asked.top_k or self.top_k, documents=allowed)
        scored = method != KEYWORDS
        return [
            self._found(hit, asked.query, scored=scored)
            for hit in hits
            if not scored or hit.score >= (asked.threshold or 0)
        ]

    def _found(self, hit: Hit, query: str, *, scored: bool) -> Found:
        children = None
        if self.plan.in_children:
            words = set(re.findall(r"\w{3,}", query.lower()))
            sentences = [one for one in _SENTENCE.split(hit.segment.content) if one]
            children = [one for one in sentences if words & set(re.findall(r"\w{3,}", one.lower()))] or sentences[:1]
        return Found(hit.segment, hit.hit_count, hit.score if scored else None, children)


class Datasets:
    """All knowledge bases of the workspace."""

    def __init__(self, main: Knowledge, plans: Sequence[Plan], metadata: Mapping[str, Metadata], ids: Ids) -> None:
        """Set up the knowledge bases.

        Args:
            main: What the apps search; it is the first of them.
            plans: How each is set up, the first included.
            metadata: What is known of documents, by their names.
            ids: Gives each its id, and its segments theirs.
        """
        self._all = []
        for place, plan in enumerate(plans):
            knowledge = main if place == 0 else Knowledge(plan.name, plan.documents, ids, scope=plan.name)
            self._all.append(Dataset(plan, knowledge, metadata, ids.uuid("dataset", plan.name)))

    def all(self) -> list[Dataset]:
        """Return them, the first made first."""
        return list(self._all)

    def with_id(self, dataset_id: str) -> Dataset:
        """Return one of them.

        Raises:
            Refusal: 404 (Dify, source).
        """
        for dataset in self._all:
            if dataset.id == dataset_id:
                return dataset
        raise not_found("Dataset not found.")

    def close(self) -> None:
        """Free the indexes, the apps' apart."""
        for dataset in self._all[1:]:
            dataset.knowledge.close()
