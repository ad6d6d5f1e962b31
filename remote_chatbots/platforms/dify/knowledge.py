"""Dify's knowledge bases ("datasets"): searched without an app and its model, and listed.

Sources: Dify API reference, "Knowledge"; the recordings `dataset-*`, `datasets-list` and `err-dataset-*` of 0.15.3 and
1.14.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remote_chatbots.address import base_url_of, checked_headers, checked_key, sent_headers
from remote_chatbots.concealing import conceals
from remote_chatbots.errors import BotAuthError, BotNotFoundError, BotRejectedError, BotUsageError
from remote_chatbots.events import Source
from remote_chatbots.flow import Flow, look_up
from remote_chatbots.platforms.dify import CLOUD_URL
from remote_chatbots.platforms.dify.calls import Calls, path_part
from remote_chatbots.platforms.dify.errors import NAME, not_allowed
from remote_chatbots.platforms.dify.retrieval import DifyRetrieval, own_model
from remote_chatbots.reading import mapping, number, objects, text, whole
from remote_chatbots.redaction import Hidden, on_one_line
from remote_chatbots.searching import Search, checked_query, found_events, repeatable
from remote_chatbots.stored_knowledge import StoredDocument, StoredKnowledgeBase
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import ResponseHead

MOST_CHARACTERS = 250
PAGE_SIZE = 100
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SETTINGS, _OPTIONS = Settings(), DifyRetrieval()


@conceals
@dataclass(frozen=True)
class DifyKnowledge:
    """Knowledge bases of one Dify workspace.

    Args:
        api_key: The key of the workspace's knowledge bases ("dataset-…"); an app's key does not open them. Not in
            `repr`.
        base_url: The server, with or without trailing slash and `/v1`. Default: Dify's cloud.
        dataset_id: The knowledge base that is searched, or several. Default: none; then each search names it.
        headers: Headers to send beside ours. Not in `repr`.
        settings: Patience and sizes.
        options: What each search is told beside its query; a search's own options are laid over them.

    Raises:
        BotUsageError: If the key or a header is no header value, the address is none, or an id is no text.
    """

    api_key: str = field(repr=False)
    base_url: str = CLOUD_URL
    dataset_id: str | Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Settings = _SETTINGS
    options: DifyRetrieval = _OPTIONS
    # How knowledge bases turned out to be set up; no part of what this object is.
    _learnt: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", checked_key(self.api_key, "api_key"))
        object.__setattr__(self, "base_url", base_url_of(self.base_url, default_version="v1"))
        object.__setattr__(self, "headers", checked_headers(self.headers))
        object.__setattr__(self, "dataset_id", _ids(self.dataset_id))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_learnt": {}}

    @property
    def name(self) -> str:
        """The platform: "dify"."""
        return NAME

    def retrieve(self, query: str, *, dataset_id: str | Sequence[str] | None = None, **options: Any) -> Search:
        """Return the search for `query`; each knowledge base is a part of it.

        A source's `raw` is the server's record, made flat: the segment's and the document's keys beside its own.

        Where `search_method` is not given but something else is, how the knowledge base is set up is looked up first,
        once for this object: servers refuse a search that is described in part.

        Args:
            query: What to look for, at most 250 characters.
            dataset_id: The knowledge base, or several. Default: this object's.
            **options: Fields of `DifyRetrieval`.

        Raises:
            BotUsageError: At once, if the query is blank or too long, an option is wrong, or no base is named.
        """
        asked = self.options.with_those_of(options)
        ids = _ids(self.dataset_id if dataset_id is None else dataset_id)
        if not ids:
            raise BotUsageError.of(
                NAME, "no knowledge base. Give dataset_id=…, the id that stands in its address in Dify."
            )
        query = checked_query(query, NAME, MOST_CHARACTERS)
        calls = self._calls(query)
        ids = tuple(dict.fromkeys(ids))
        parts = (self._part(calls, one, query, asked) for one in ids)
        first = self._learn(calls, ids) if asked.asks_the_base else None
        return Search(tuple(map(repeatable, parts)), asked.k, first)

    def check(self, *, dataset_id: Any = None, **options: Any) -> None:
        """Refuse what no search could be told.

        Raises:
            BotUsageError: If an option is unknown or wrong.
        """
        self.options.with_those_of(options)
        _ids(() if dataset_id is None else dataset_id)

    def knowledge_bases(self, *, limit: int | None = None) -> Flow[list[StoredKnowledgeBase]]:
        """Return the knowledge bases that the key opens, in the server's order; at most `limit` of them."""
        found = yield from self._listed("/datasets", limit)
        return [
            StoredKnowledgeBase(
                dataset_id=text(one.get("id")),
                name=text(one.get("name")),
                description=text(one.get("description")),
                document_count=whole(one.get("document_count")),
                raw=one,
            )
            for one in found
        ]

    def documents(self, dataset_id: str, *, limit: int | None = None) -> Flow[list[StoredDocument]]:
        """Return the documents of a knowledge base, in the server's order; at most `limit` of them."""
        found = yield from self._listed(f"/datasets/{path_part(dataset_id)}/documents", limit, dataset_id)
        return [
            StoredDocument(
                document_id=text(one.get("id")),
                name=text(one.get("name")),
                dataset_id=dataset_id,
                status=text(one.get("indexing_status")),
                created_at=whole(one.get("created_at")),
                raw=one,
            )
            for one in found
        ]

    def _part(self, calls: Calls, dataset_id: str, query: str, options: DifyRetrieval) -> Flow[None]:
        path = f"/datasets/{path_part(dataset_id)}/retrieve"
        model = options.retrieval_model(self._learnt.get(dataset_id, {}) if options.asks_the_base else {})
        head, told = yield from self._opened(
            calls.submit("POST", path, {"query": query} | ({"retrieval_model": model} if model else {})), dataset_id
        )
        if model and "metadata_filtering_conditions" in model:
            _check_that_it_filters(head)
        records = told.get("records")
        if not isinstance(records, list):
            raise not_allowed("the reply holds no records", str(told).encode(), calls.hidden)
        found = [_source(one, dataset_id) for one in records if isinstance(one, dict)]
        yield from found_events(found[: options.k])

    def _learn(self, calls: Calls, ids: Sequence[str]) -> Flow[None]:
        """Look up how knowledge bases are set up, as far as that can be had."""
        page, has_more = 1, True
        while has_more and not self._learnt.keys() >= set(ids):
            told = mapping((yield from look_up(calls.reading("/datasets", {"page": page, "limit": PAGE_SIZE}))))
            listed = objects(told.get("data"))
            self._learnt.update({text(one.get("id")): own_model(one) for one in listed})
            page, has_more = page + 1, bool(listed) and bool(told.get("has_more"))

    def _listed(self, path: str, limit: int | None, dataset_id: str = "") -> Flow[list[dict[str, Any]]]:
        calls, size = self._calls(), PAGE_SIZE if limit is None else min(PAGE_SIZE, limit)
        found: dict[str, dict[str, Any]] = {}
        page, has_more = 1, True
        while has_more and (limit is None or len(found) < limit):
            _, told = yield from self._opened(calls.read(path, {"page": page, "limit": size}), dataset_id)
            listed = objects(told.get("data"))
            new = {text(one.get("id")): one for one in listed if text(one.get("id")) not in found}
            found |= new
            page, has_more = page + 1, bool(new) and bool(told.get("has_more"))
        return list(found.values())[:limit]

    def _opened(
        self, call: Flow[tuple[ResponseHead, dict[str, Any]]], dataset_id: str = ""
    ) -> Flow[tuple[ResponseHead, dict[str, Any]]]:
        try:
            return (yield from call)
        except BotNotFoundError as error:
            # To a UUID that it does not know Dify says not_found; of anything else it has no such page.
            if not dataset_id or (not error.code and _UUID.fullmatch(dataset_id)):
                raise
            head = f"{error.http_status} {error.code}".rstrip()
            raise BotNotFoundError(
                f"{NAME}: {head}: the server has no knowledge base "
                f"{on_one_line(dataset_id)[:80]!r} that this key opens. Give dataset_id as it stands in the knowledge "
                "base's address in Dify; KnowledgeClient.knowledge_bases() lists those there are.",
                **error.details(),
            ) from None
        except BotAuthError as error:
            # The server has the same words for it as for a key that is none (recorded: err-dataset-app-key).
            if error.http_status == 401 and self.api_key.startswith("app-"):
                raise BotAuthError(
                    f"{NAME}: 401 {error.code}: api_key is an app's ('app-…'), and knowledge bases do not open to it. "
                    "Give the key of the workspace's knowledge bases ('dataset-…'), made in Dify under Knowledge, "
                    "API Access.",
                    **error.details(),
                ) from None
            raise

    def _calls(self, *hidden: str) -> Calls:
        headers = sent_headers(self.api_key, self.headers)
        return Calls(self.base_url, headers, self.settings, Hidden(self.api_key, self.headers, *hidden))


def _ids(given: Any) -> tuple[str, ...]:
    ids = (given,) if isinstance(given, str) else given
    if not isinstance(ids, (list, tuple)) or not all(isinstance(one, str) and one.strip() for one in ids):
        raise BotUsageError.of(
            NAME, "dataset_id must be an id, or a list of ids. Give that of the knowledge base, or of several."
        )
    return tuple(ids)


def _source(record: dict[str, Any], dataset_id: str) -> Source:
    """Return what a record of a search says: a segment with its document, or an external base's `{content, title}`.

    A segment of questions and answers holds the question in `content`.
    """
    segment = dict(mapping(record.get("segment")))
    document = dict(mapping(segment.pop("document", None)))
    content, answer = text(segment.get("content")) or text(record.get("content")), text(segment.get("answer"))
    named = {
        "dataset_id": dataset_id,
        "document_id": text(segment.get("document_id")) or text(document.pop("id", None)),
        "document_name": text(document.pop("name", None)),
        "segment_id": text(segment.get("id")),
    }
    document.pop("id", None)
    own = {key: value for key, value in record.items() if key != "segment"}
    return Source(
        content=f"{content}\n{answer}" if answer else content,
        title=named["document_name"] or text(record.get("title")),
        document_id=named["document_id"],
        segment_id=named["segment_id"],
        dataset_id=dataset_id,
        score=number(record.get("score")),
        raw={**document, **segment, **own, **{key: value for key, value in named.items() if value}},
    )


def _check_that_it_filters(head: ResponseHead) -> None:
    """Refuse what a server found that knows no metadata: it searched everything, and says no word."""
    version = head.headers.get("x-version", "")
    if version.startswith("0."):
        raise BotRejectedError.of(
            NAME,
            f"this server (version {version}) knows no metadata of documents, and searched without the "
            "conditions. Leave metadata_filtering_conditions out, or use a newer Dify.",
            http_status=head.status,
        )
