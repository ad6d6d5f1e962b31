"""How the knowledge of a GPTBots agent is searched: the options of a search ("Vector similarity matching")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remote_chatbots.errors import BotUsageError
from remote_chatbots.passages import checked_k
from remote_chatbots.platforms.gptbots.errors import NAME
from remote_chatbots.searching import laid_over

MOST_PASSAGES = 50


@dataclass(frozen=True, slots=True)
class GPTBotsRetrieval:
    """What a search is told beside its query (GPTBots API reference, "Vector similarity matching").

    Attributes:
        k: At most so many passages (`top_k`), 1 to 50; older servers take no more than 10. Default 4.
        embedding_rate: What meaning weighs against words: 0 is words alone, 1 meaning alone. Default: the server's, 1.
        rerank_version: The model that ranks what was found: "BGE-Rerank", "Jina-reranker-v2-base-multilingual",
            "Jina-colbert-v2", "BCE-Rerank". Default: none.
        doc_correlation: Passages that are less relevant are left out, 0.1 to 0.95. Default: none are.
        group_ids: The knowledge bases that are searched. Default: all that the agent has.
        data_ids: The documents that are searched; with `group_ids`, all of both. Default: all.

    Raises:
        BotUsageError: If a field is none that GPTBots takes. The message names it.
    """

    k: int = 4
    embedding_rate: float | None = None
    rerank_version: str | None = None
    doc_correlation: float | None = None
    group_ids: str | Sequence[str] | None = None
    data_ids: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if (checked_k(self.k) or MOST_PASSAGES + 1) > MOST_PASSAGES:
            raise _wrong(f"k must be a whole number from 1 to {MOST_PASSAGES}. Give such a number.")
        for name, least, most in (("embedding_rate", 0, 1), ("doc_correlation", 0.1, 0.95)):
            share = getattr(self, name)
            if share is not None and not (
                isinstance(share, (int, float)) and not isinstance(share, bool) and least <= share <= most
            ):
                raise _wrong(f"{name} must be a number from {least} to {most}. Give such a number, or None.")
        if self.rerank_version is not None and (not isinstance(self.rerank_version, str) or not self.rerank_version):
            raise _wrong("rerank_version must be the name of a model. Give one, or None.")
        for name in ("group_ids", "data_ids"):
            _ids(name, getattr(self, name))

    def with_those_of(self, given: Mapping[str, Any]) -> GPTBotsRetrieval:
        """Return these options with the given ones laid over them; None is "not given".

        Raises:
            BotUsageError: If a name is none of the fields, or a value is none that it takes.
        """
        return laid_over(self, given, NAME)

    def payload(self) -> dict[str, Any]:
        """Return the fields of the call that are set; numbers go as numbers."""
        told = {
            "top_k": self.k,
            "embedding_rate": self.embedding_rate,
            "rerank_version": self.rerank_version,
            "doc_correlation": self.doc_correlation,
            "group_ids": _ids("group_ids", self.group_ids),
            "data_ids": _ids("data_ids", self.data_ids),
        }
        return {name: value for name, value in told.items() if value is not None}


def _ids(name: str, given: Any) -> list[str] | None:
    if given is None:
        return None
    ids = [given] if isinstance(given, str) else given
    # To newer servers an empty list means nothing, to older ones everything.
    if not isinstance(ids, (list, tuple)) or not ids or not all(isinstance(one, str) and one.strip() for one in ids):
        raise _wrong(
            f"{name} must be an id, or a list of ids that is not empty. Give the ids, or leave it out for all."
        )
    return list(ids)


def _wrong(what: str) -> BotUsageError:
    return BotUsageError.of(NAME, what)
