"""How far a long work is: told to a bar, or to a function of the caller's."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from remote_chatbots.errors import BotUsageError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is.

    Attributes:
        done: How many of the parts are done.
        total: How many there are; None if that is not known.
        counts: How many of those that are done came to what: of questions by `Outcome.status`, of conversations
            "written", "unchanged" and "gone".
    """

    done: int
    total: int | None
    counts: dict[str, int]


Shown: TypeAlias = bool | Callable[[Progress], None]


def total_of(parts: Any) -> int | None:
    """Return how many parts there are; None if they do not say."""
    return len(parts) if hasattr(parts, "__len__") else None


@contextmanager
def shown(progress: Shown, total: int | None, unit: str) -> Iterator[Callable[[str], None]]:
    """Return what is to be called with the word for each part that is done.

    Args:
        progress: True for a bar, in a terminal or a notebook; a function, called with a `Progress`; False for nothing.
        total: How many parts there are.
        unit: What a part is.

    Raises:
        BotUsageError: If the bar needs a package that is not there.
    """
    if callable(progress):
        counts: Counter[str] = Counter()

        def tell(word: str) -> None:
            counts[word] += 1
            progress(Progress(counts.total(), total, dict(counts)))

        yield tell
    elif progress:
        with _bar()(total=total, unit=unit) as bar:
            counts = Counter()

            def show(word: str) -> None:
                counts[word] += 1
                bar.set_postfix(counts, refresh=False)
                bar.update()

            yield show
    else:
        yield lambda _: None


def check(progress: Shown) -> None:
    """Find out before the work begins whether it can be shown.

    Raises:
        BotUsageError: If it cannot.
    """
    if progress and not callable(progress):
        _bar()


def _bar() -> Any:
    try:
        with warnings.catch_warnings():
            # In a notebook without ipywidgets tqdm draws its bar as text, which is all there is to say of it.
            warnings.filterwarnings("ignore", "IProgress not found")
            from tqdm.auto import tqdm  # type: ignore[import-untyped]  # only who looks at a bar needs it
    except ImportError:
        raise BotUsageError(
            "progress=True needs tqdm. Install 'remote-chatbots[progress]', or give a function in its place."
        ) from None
    return tqdm
