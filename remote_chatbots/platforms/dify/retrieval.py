"""How a Dify knowledge base is searched: the options of a search, and the `retrieval_model` that says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import float_info
from typing import Any

from remote_chatbots.errors import BotUsageError
from remote_chatbots.passages import checked_k
from remote_chatbots.platforms.dify.errors import NAME
from remote_chatbots.reading import mapping
from remote_chatbots.searching import laid_over

SEARCH_METHODS = ("semantic_search", "full_text_search", "hybrid_search", "keyword_search")
WEIGHTS = ("weight_type", "keyword_setting", "vector_setting")
RERANKING_MODES = ("reranking_model", "weighted_score")
# Dify API reference, "Retrieve chunks from a knowledge base".
OPERATORS = (
    "contains", "not contains", "start with", "end with", "is", "is not", "empty", "not empty", "in", "not in",
    "=", "≠", ">", "<", "≥", "≤", "before", "after",
)  # fmt: skip
_AS_TYPED = {"==": "=", "!=": "≠", ">=": "≥", "<=": "≤"}
_WITHOUT_VALUE = ("empty", "not empty")
_STANDARD: Mapping[str, Any] = {
    "search_method": "semantic_search",
    "reranking_enable": False,
    "top_k": 4,
    "score_threshold_enabled": False,
}


@dataclass(frozen=True, slots=True)
class DifyRetrieval:
    """What a search is told beside its query (Dify API reference, "Retrieve chunks from a knowledge base").

    With nothing set, the knowledge base is searched as it is set up in Dify. What is not set is as the knowledge base
    has it, or, once `search_method` is set, off (and `k` 4).

    Attributes:
        k: At most so many passages (`top_k`).
        search_method: "semantic_search", "full_text_search", "hybrid_search" or "keyword_search". An economy index
            has keywords alone.
        score_threshold: Passages with a lower score are left out.
        score_threshold_enabled: Whether they are. Default: if `score_threshold` is set.
        reranking_enable: Whether a model ranks what was found. Default: if `reranking_model` is set.
        reranking_mode: "reranking_model" or "weighted_score". Default: by which of the two that follow is set.
        reranking_model: That model: a mapping with `reranking_provider_name` and `reranking_model_name`. Empty names
            are none, as Dify writes it.
        weights: What meaning and words weigh in a hybrid search: a mapping, as Dify has it.
        metadata_filtering_conditions: Only documents are searched whose metadata are so: a mapping with
            `logical_operator` ("and", "or") and `conditions`, or a list of conditions (all must hold), each a mapping
            with `name`, `comparison_operator` and `value`; "!=", ">=", "<=" stand for "≠", "≥", "≤". [] is none.

    Raises:
        BotUsageError: If a field is none that Dify takes. The message names it.
    """

    k: int | None = None
    search_method: str | None = None
    score_threshold: float | None = None
    score_threshold_enabled: bool | None = None
    reranking_enable: bool | None = None
    reranking_mode: str | None = None
    reranking_model: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    metadata_filtering_conditions: Any = None

    def __post_init__(self) -> None:
        checked_k(self.k)
        # A server of 0.15 finds nothing by a method that there is not, and says no word
        # (recorded: 0.15.3/dataset-retrieve-unknown-search-method).
        _one_of("search_method", self.search_method, SEARCH_METHODS)
        _one_of("reranking_mode", self.reranking_mode, RERANKING_MODES)
        if self.score_threshold is not None and not _is_score(self.score_threshold):
            raise _wrong("score_threshold must be a number of at least 0. Give such a number.")
        for name in ("reranking_enable", "score_threshold_enabled"):
            if not isinstance(getattr(self, name), bool | None):
                raise _wrong(f"{name} must be True, False or None. Give one of these.")
        # The keys are those of Dify's API reference; a misspelt one would at best be ignored.
        if self.weights is not None and not (isinstance(self.weights, Mapping) and {*self.weights} <= {*WEIGHTS}):
            raise _wrong(f"weights must be a mapping with {', '.join(WEIGHTS)}. Give these, or some of them.")
        if self.reranking_model is not None and _model_in(self.reranking_model) is None:
            raise _wrong(
                "reranking_model must be a mapping with reranking_provider_name and reranking_model_name. Give both."
            )
        self.conditions()

    def with_those_of(self, given: Mapping[str, Any]) -> DifyRetrieval:
        """Return these options with the given ones laid over them; None is "not given".

        Raises:
            BotUsageError: If a name is none of the fields, or a value is none that it takes.
        """
        return laid_over(self, given, NAME)

    @property
    def asks_the_base(self) -> bool:
        """Whether what is set must be completed with how the knowledge base is set up."""
        return self.search_method is None and bool(self._set())

    def retrieval_model(self, own: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the search as Dify takes it: whole, for a part of it is refused; None if nothing is set.

        Recorded: err-dataset-retrieval-model-partial of both versions.

        Args:
            own: The knowledge base's own, as far as known.
        """
        given = self._set()
        return {**_STANDARD, **own, **given} if given else None

    def conditions(self) -> dict[str, Any] | None:
        """Return `metadata_filtering_conditions` as Dify takes it; None if there is none.

        Raises:
            BotUsageError: If it is not of its form, or an operator is unknown.
        """
        given = self.metadata_filtering_conditions
        if given is None:
            return None
        whole = dict(given) if isinstance(given, Mapping) else {"conditions": given}
        listed, operator = whole.pop("conditions", None), whole.pop("logical_operator", "and")
        if whole or operator not in ("and", "or") or isinstance(listed, str) or not isinstance(listed, Sequence):
            raise _wrong(
                "metadata_filtering_conditions must be a list of conditions, or a mapping with logical_operator "
                '("and" or "or") and conditions, a list. Give one of these.'
            )
        return {"logical_operator": operator, "conditions": [_condition(one) for one in listed]} if listed else None

    def _set(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "search_method": self.search_method,
            "reranking_enable": self.reranking_enable,
            "reranking_mode": self.reranking_mode,
            "reranking_model": self.reranking_model and dict(self.reranking_model),
            "weights": self.weights and dict(self.weights),
            "top_k": self.k,
            "metadata_filtering_conditions": self.conditions(),
        }
        told["score_threshold_enabled"] = self.score_threshold_enabled
        if self.score_threshold is not None:
            told["score_threshold"] = float(self.score_threshold)
            told["score_threshold_enabled"] = self.score_threshold_enabled is not False
        if self.reranking_model is not None and _model_in(self.reranking_model):
            told["reranking_enable"] = self.reranking_enable is not False
            told["reranking_mode"] = self.reranking_mode or "reranking_model"
        elif self.weights is not None:
            told["reranking_mode"] = self.reranking_mode or "weighted_score"
        return {name: value for name, value in told.items() if value is not None}


def own_model(base: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a knowledge base is searched when nothing is said, from its record in the list.

    Recorded: datasets-list of both versions. An economy index is searched by keywords, whatever else stands there.
    """
    told = mapping(base.get("retrieval_model_dict"))
    names = (*_STANDARD, "reranking_mode", "reranking_model", "weights", "score_threshold")
    own = {name: told[name] for name in names if told.get(name) is not None}
    if not _model_in(own.get("reranking_model")):
        own.pop("reranking_model", None)
    if base.get("indexing_technique") == "economy":
        own["search_method"] = "keyword_search"
    return own


def _condition(given: Any) -> dict[str, Any]:
    told = dict(given) if isinstance(given, Mapping) else {}
    name, operator = told.get("name"), told.get("comparison_operator")
    operator = _AS_TYPED.get(operator, operator) if isinstance(operator, str) else operator
    if not isinstance(name, str) or not name or set(told) - {"name", "comparison_operator", "value"}:
        raise _wrong(
            "metadata_filtering_conditions: a condition must be a mapping with name, comparison_operator and value. "
            "Give these."
        )
    if operator not in OPERATORS:
        raise _wrong(
            f"metadata_filtering_conditions: comparison_operator of {name!r} is none that there is. Give one of "
            f"{', '.join(OPERATORS)}."
        )
    value = told.get("value")
    if operator in _WITHOUT_VALUE and value is None:
        return {**told, "comparison_operator": operator}
    if not _is_value(value):
        raise _wrong(
            f"metadata_filtering_conditions: value of {name!r} must be text, a number or a list of texts. Give one."
        )
    value = list(value) if isinstance(value, (list, tuple)) else value
    return {"name": name, "comparison_operator": operator, "value": value}


def _is_value(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str) or _is_number(value)


def _is_score(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_number(value: Any) -> bool:
    # An int may be larger than any float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= float_info.max


def _model_in(told: Any) -> str | None:
    """Return the name of a reranking model; "" if the mapping names none, None if it is no such mapping."""
    names = ("reranking_provider_name", "reranking_model_name")
    if not isinstance(told, Mapping) or not all(isinstance(told.get(name), str) for name in names):
        return None
    return str(told[names[1]]) if told[names[0]] else ""


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise _wrong(f"{name} must be one of {', '.join(allowed)}. Give one of these, or None.")


def _wrong(what: str) -> BotUsageError:
    return BotUsageError.of(NAME, what)
