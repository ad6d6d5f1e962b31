"""What a platform keeps of knowledge: its knowledge bases and the documents in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredKnowledgeBase:
    """One knowledge base, as the server lists it.

    Attributes:
        dataset_id: The server's id of it: the `dataset_id` of a Dify retriever, one of a GPTBots retriever's
            `group_ids`.
        name: Its name.
        description: What it is for; "" if nobody said.
        document_count: How many documents it has; None if the server does not say.
        raw: The server's record, as sent; Dify's holds how it is searched (`retrieval_model_dict`).
    """

    dataset_id: str
    name: str = ""
    description: str = ""
    document_count: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document of a knowledge base, as the server lists it.

    Attributes:
        document_id: The server's id of it.
        name: Its name.
        dataset_id: The server's id of the knowledge base that it is in.
        status: The server's word for how far it is: once it is found by searches, "completed" (Dify), "ACTIVE" or
            "AVAILABLE" (GPTBots).
        created_at: Unix time in seconds at which it was added; None if the server does not say.
        raw: The server's record, as sent.
    """

    document_id: str
    name: str = ""
    dataset_id: str = ""
    status: str = ""
    created_at: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
