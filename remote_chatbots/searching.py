"""A search of knowledge bases, as a platform describes it and a client performs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any, TypeVar

from remote_chatbots.arguments import check_options
from remote_chatbots.errors import BotServerError, BotTransportError, BotUsageError, copy_of
from remote_chatbots.events import Finished, Source, SourcesFound
from remote_chatbots.flow import Flow

Options = TypeVar("Options", bound=Any)


@dataclass(frozen=True, slots=True)
class Search:
    """One query, and the knowledge bases that it goes to.

    Attributes:
        parts: For each knowledge base a flow, whose events are `SourcesFound` and `Finished`. They may run at once.
        k: No more than so many passages in all; None is all.
        first: What has to be over before the parts begin. It has no events. None is nothing.
    """

    parts: tuple[Flow[None], ...]
    k: int | None = None
    first: Flow[None] | None = None

    def merged(self, found: Sequence[Sequence[Source]]) -> list[Source]:
        """Return what the parts found as one list of at most `k`.

        The first of each knowledge base, in the order they were named, then the second of each, and so on: each keeps
        its server's order, and no scores are compared, for those of two knowledge bases have no common scale.

        Args:
            found: For each part, what it found.
        """
        ranks = chain.from_iterable(zip_longest(*found))
        return [source for source in ranks if source is not None][: self.k]


def found_events(sources: Sequence[Source]) -> Flow[None]:
    """Yield the events of a search that found `sources`."""
    yield SourcesFound(tuple(sources))
    yield Finished()


def repeatable(part: Flow[None]) -> Flow[None]:
    """Run a part of a search. What fails on the way is marked as safe to try again: a search changes nothing."""
    try:
        yield from part
    except (BotTransportError, BotServerError) as error:
        if error.retryable:
            raise
        told = f"{error.message} This was a search, which changes nothing: make it again."
        raise copy_of(error, retryable=True, message=told) from error.__cause__


def laid_over(options: Options, given: Mapping[str, Any], platform: str) -> Options:
    """Return a platform's options of a search with the given ones laid over them; None is "not given".

    Raises:
        BotUsageError: If a name is none of the fields, or a value is none that it takes.
    """
    check_options(given, options, platform, "a search")
    laid: Options = replace(options, **{name: value for name, value in given.items() if value is not None})
    return laid


def checked_query(query: object, platform: str, most_characters: int | None = None) -> str:
    """Return `query`.

    Raises:
        BotUsageError: If it is no text, or blank, or no Unicode, or has more than `most_characters`.
    """
    if not isinstance(query, str) or not query.strip():
        raise BotUsageError.of(platform, "the query is empty, or no text. Say what to look for.")
    try:
        query.encode()
    except UnicodeEncodeError:
        raise BotUsageError.of(
            platform, "the query holds half a character (a lone surrogate). Give whole text."
        ) from None
    if most_characters is not None and len(query) > most_characters:
        raise BotUsageError.of(
            platform,
            f"the query has {len(query)} characters, and a knowledge base takes at most {most_characters}. "
            "Give a shorter one, e.g. the question without what surrounds it.",
        )
    return query
