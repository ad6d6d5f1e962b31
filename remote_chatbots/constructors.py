"""What the constructors of the faces take, for type checkers. `bot_fields` says what each means.

A type checker would not read it from pydantic's fields: they say what a model holds, not what may stand for it. The key
is apart: each constructor hides it at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from remote_chatbots.conversations import Conversations
from remote_chatbots.timeouts import Timeouts


class BotArguments(TypedDict, total=False):
    """What every model takes; None is "not given", but for `timeout`."""

    base_url: str | None
    user: str | None
    inputs: Mapping[str, Any] | None
    conversation_id: str | None
    bot_id: str | None
    system_input: str | None
    on_missing: Literal["error", "restart"] | None
    on_break: Literal["error", "recover"] | None
    streaming: bool | None
    reasoning: bool | None
    steps: bool | None
    coalesce: bool | None
    on_fork: Literal["warn", "error", "new", "ignore"] | None
    conversations: Conversations | None
    stop: Sequence[str] | None
    stop_sequences: Sequence[str] | None
    timeout: float | Sequence[float | None] | Timeouts | None
    max_retries: int | None
    default_headers: Mapping[str, str] | None
    model: str | None
    model_name: str | None
    temperature: float | None
    max_tokens: int | None
    end_grace_s: float | None
    speech_wait_s: float | None
    probe_after_s: float | None
    stop_wait_s: float | None
    recover_wait_s: float | None
    max_event_bytes: int | None
    max_connections: int | None
    idle_s: float | None


class DifyArguments(BotArguments, total=False):
    """What a model of a Dify app takes beside."""

    workflow_id: str | None
    auto_generate_name: bool | None
    trace_id: str | None


class GPTBotsArguments(BotArguments, total=False):
    """What a model of a GPTBots agent takes beside."""

    api_version: str | None
    short_term_memory: bool | None
    long_term_memory: bool | None
    knowledge: Sequence[str] | Mapping[str, Any] | None
    corner_citation: bool | None
    citation_marks: bool | None
    fetch_sources: bool | None


class KnowledgeArguments(TypedDict, total=False):
    """What every retriever of knowledge bases takes; None is "not given", but for `timeout`."""

    base_url: str | None
    k: int | None
    timeout: float | Sequence[float | None] | Timeouts | None
    max_retries: int | None
    default_headers: Mapping[str, str] | None
    max_event_bytes: int | None
    max_connections: int | None
    idle_s: float | None


class DifyKnowledgeArguments(KnowledgeArguments, total=False):
    """What a retriever of Dify's knowledge bases takes beside."""

    dataset_id: str | Sequence[str] | None
    search_method: Literal["semantic_search", "full_text_search", "hybrid_search", "keyword_search"] | None
    score_threshold: float | None
    score_threshold_enabled: bool | None
    reranking_enable: bool | None
    reranking_mode: Literal["reranking_model", "weighted_score"] | None
    reranking_model: Mapping[str, str] | None
    weights: Mapping[str, Any] | None
    metadata_filtering_conditions: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class GPTBotsKnowledgeArguments(KnowledgeArguments, total=False):
    """What a retriever of a GPTBots agent's knowledge takes beside."""

    embedding_rate: float | None
    rerank_version: str | None
    doc_correlation: float | None
    group_ids: str | Sequence[str] | None
    data_ids: str | Sequence[str] | None
