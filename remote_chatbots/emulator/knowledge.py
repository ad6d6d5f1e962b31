"""A knowledge base: documents cut into segments, and the segments that fit a query best."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from .ids import Ids

TOP_K = 3

_CJK = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BLANK_LINES = re.compile(r"\n\s*\n")
_CJK_CHARACTER = re.compile(f"([{_CJK}])")
_TERM = re.compile(rf"[{_CJK}]+|[^\W{_CJK}_]+")
_STOP_WORDS = frozenset(
    """
    a about after again all also am an and any are as ask at be been but by can could did do does first
    for from get go goes had has have hello hi how i if in into is it its just know let like long
    look made make many may me more much my no not now of off on one only or other our out please really
    said say see so some take tell than thank thanks that the their them then there these they thing
    things this those to too try two up us use very want was we well were what when where which who whom
    whose why will with would yes you your
    """.split()
)


@dataclass(slots=True)
class Segment:
    """One piece of a document.

    Attributes:
        position: Its place in the document, counted from 1.
        hit_count: How often a search returned it; Dify counts this too.
    """

    id: str
    dataset_id: str
    dataset_name: str
    document_id: str
    document_name: str
    position: int
    content: str
    hit_count: int = 0

    @property
    def word_count(self) -> int:
        """The number of characters; Dify calls it so (recorded: 1.14.2/chatflow-stream-1-first-turn)."""
        return len(self.content)

    @property
    def index_node_hash(self) -> str:
        """A digest of the content, 64 hex digits."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment as one search found it: the counters are those of that moment."""

    segment: Segment
    score: float
    hit_count: int


class Knowledge:
    """One dataset, held in memory and ranked by SQLite's full-text search."""

    def __init__(self, name: str, documents: Mapping[str, str], ids: Ids, *, scope: str = "") -> None:
        """Index the documents.

        Args:
            name: The dataset's name.
            documents: Document name to text; blank lines separate the segments.
            ids: Gives the dataset, documents and segments their ids.
            scope: Tells its documents from those of the same name in other datasets.
        """
        self._segments = [
            segment for document, text in documents.items() for segment in _segments(name, document, text, ids, scope)
        ]
        # The event loop may live in another thread than the one that made this object; only one uses it.
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.execute("CREATE VIRTUAL TABLE segments USING fts5(content, tokenize = 'porter unicode61')")
        self._index.executemany(
            "INSERT INTO segments (rowid, content) VALUES (?, ?)",
            [(row, _spaced(segment.content)) for row, segment in enumerate(self._segments)],
        )

    @property
    def documents(self) -> dict[str, list[Segment]]:
        """The segments of each document, by its name."""
        found: dict[str, list[Segment]] = {}
        for segment in self._segments:
            found.setdefault(segment.document_name, []).append(segment)
        return found

    def search(self, query: str, *, top_k: int = TOP_K, documents: Container[str] | None = None) -> list[Hit]:
        """Find the segments that fit, best first.

        Args:
            query: Any text; its words are looked for, its syntax means nothing.
            top_k: How many at most.
            documents: The names of those to search; `None` is all.

        Returns:
            The hits, scores between 0 and 1; none if only common words match.
        """
        terms = dict.fromkeys(_terms(query))
        if not terms:
            return []
        rows = self._index.execute(
            "SELECT rowid, bm25(segments) FROM segments WHERE segments MATCH ? ORDER BY 2, 1", (" OR ".join(terms),)
        )
        fitting = ((row, rank) for row, rank in rows.fetchall() if self._is_in(documents, row))
        return [self._hit(row, rank) for row, rank in islice(fitting, top_k)]

    def close(self) -> None:
        """Free the index."""
        self._index.close()

    def _is_in(self, documents: Container[str] | None, row: int) -> bool:
        return documents is None or self._segments[row].document_name in documents

    def _hit(self, row: int, rank: float) -> Hit:
        segment = self._segments[row]
        segment.hit_count += 1
        # bm25 has no upper bound and counts downwards from 0.
        return Hit(segment, score=-rank / (1 - rank), hit_count=segment.hit_count)


def _segments(dataset: str, document: str, text: str, ids: Ids, scope: str) -> Iterator[Segment]:
    paragraphs = [paragraph.strip() for paragraph in _BLANK_LINES.split(text) if paragraph.strip()]
    within = (scope, document) if scope else (document,)
    for position, content in enumerate(paragraphs, 1):
        yield Segment(
            id=ids.uuid("segment", *within, position),
            dataset_id=ids.uuid("dataset", dataset),
            dataset_name=dataset,
            document_id=ids.uuid("document", *within),
            document_name=document,
            position=position,
            content=content,
        )


def _spaced(text: str) -> str:
    # The tokenizer takes a run of CJK characters for one word.
    return _CJK_CHARACTER.sub(r" \1 ", text)


def _terms(query: str) -> Iterator[str]:
    """Yield FTS5 strings; quoted, because a bare word could be an operator of the query language."""
    for term in _TERM.findall(query.lower()):
        if _CJK_CHARACTER.match(term):
            # Pairs, since single characters occur everywhere.
            pairs = [term[i : i + 2] for i in range(len(term) - 1)] or [term]
            yield from (f'"{" ".join(pair)}"' for pair in pairs)
        elif term not in _STOP_WORDS:
            yield f'"{term}"'
