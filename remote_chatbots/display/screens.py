"""Where an answer is shown: in the output of a notebook's cell, or as text on the terminal."""

from __future__ import annotations

import secrets
import sys
from typing import Any, Protocol

from remote_chatbots.display.view import View
from remote_chatbots.display.words import behind_text, in_words
from remote_chatbots.errors import BotUsageError
from remote_chatbots.printable import Cleaner


class Screen(Protocol):
    """What a view is put on, again and again while an answer arrives.

    Attributes:
        interval_s: How long a view stands at least before the next but the last replaces it, in seconds.
    """

    interval_s: float

    def put(self, view: View) -> None:
        """Put a view in the place of the one before."""


def screen(*, load_media: bool) -> Screen:
    """Return where to show: the output of a cell where a notebook runs this, else the terminal.

    Raises:
        BotUsageError: If a notebook lacks the packages that make Markdown safe HTML.
    """
    return _Cell(load_media) if _in_notebook() else _Terminal()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # who runs a notebook has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class _Cell:
    """One output of a cell. Each has ids of its own, also where one answer is shown twice."""

    interval_s = 0.1

    def __init__(self, load_media: bool) -> None:
        try:
            from IPython.display import display, update_display

            from remote_chatbots.display.page import page
        except ImportError:
            raise BotUsageError(
                "show needs markdown-it-py and nh3 in a notebook. Install 'remote-chatbots[notebook]' and restart the "
                "kernel."
            ) from None
        self._page, self._load_media = page, load_media
        self._first, self._again = display, update_display
        self._id = f"rcb-{secrets.token_hex(4)}"
        self._shown = False

    def put(self, view: View) -> None:
        bundle: dict[str, Any] = {
            "text/html": str(self._page(view, prefix=self._id, load_media=self._load_media)),
            "text/plain": in_words(view),
        }
        (self._again if self._shown else self._first)(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]
        self._shown = True


class _Terminal:
    """Text as it arrives, and what is beside it at the end."""

    interval_s = 0.0

    def __init__(self) -> None:
        self._said = ""
        self._cleaner = Cleaner()

    def put(self, view: View) -> None:
        if not view.text.startswith(self._said):
            sys.stdout.write(f"{self._cleaner.rest()}\n\n(The text above was withdrawn.)\n\n")
            self._said = ""
        sys.stdout.write(self._cleaner.feed(view.text[len(self._said) :]))
        self._said = view.text
        if not view.under_way:
            sys.stdout.write("\n".join([self._cleaner.rest(), *behind_text(view)]) + "\n")
        sys.stdout.flush()
