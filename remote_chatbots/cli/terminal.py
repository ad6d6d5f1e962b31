"""A chat in a terminal, by prompt-toolkit: it knows how wide characters are, and restores the terminal when it ends."""

from __future__ import annotations

import os

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from remote_chatbots.cli.screen import Look
from remote_chatbots.cli.wrapping import Wrapper

# Colours that a terminal's own theme chooses, so that they can be read on dark and on light.
_STYLES = {"plain": "", "dim": "ansibrightblack", "strong": "bold", "wrong": "ansired"}
_QUIET = Style.from_dict({"bottom-toolbar": "noreverse ansibrightblack", "bottom-toolbar.text": "noreverse"})
_HELP = " /help · Alt-Enter: new line · Ctrl-C: stop an answer, or leave"


class Terminal:
    """A terminal with a person at it."""

    interactive = True

    def __init__(self, commands: list[str]) -> None:
        # https://no-color.org
        self._depth = ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None
        self._wrapper = Wrapper(get_cwidth)
        self._look: Look = "plain"
        self._in_progress = False
        completer = WordCompleter(commands, sentence=True)
        self._lines: PromptSession[str] = PromptSession(
            completer=completer,
            complete_while_typing=False,
            bottom_toolbar=_HELP,
            key_bindings=_keys(),
            multiline=True,
            color_depth=self._depth,
            style=_QUIET,
        )
        self._answers: PromptSession[str] = PromptSession(
            key_bindings=_keys(), multiline=True, color_depth=self._depth, style=_QUIET
        )

    def write(self, text: str, look: Look = "plain") -> None:
        """Show it word by word: the last one waits for what follows, so that none is torn at the end of a line."""
        self._clear_progress()
        if look != self._look:
            self._flush()
            self._look = look
        self._print(self._wrapper.feed(text, self._columns))

    def note(self, text: str, look: Look = "dim") -> None:
        """Show it at once."""
        self.write(text, look)

    def progress(self, text: str) -> None:
        """Show it on one line, which the next that is shown takes the place of."""
        self._flush()
        self._clear_progress()
        self._look = "dim"
        self._print(self.fit(text))
        self._in_progress = True

    def fit(self, text: str) -> str:
        """Return `text`, cut so that it takes one line of the terminal; wide characters take two places."""
        columns = self._columns - 1
        if get_cwidth(text) <= columns:
            return text
        kept, taken = [], 1
        for character in text:
            taken += get_cwidth(character)
            if taken > columns:
                break
            kept.append(character)
        return "".join(kept) + "…"

    def read(self) -> str | None:
        """Return what the person writes; None for Ctrl-D, or for Ctrl-C on an empty line."""
        self.write("\n")
        return _line_of(self._lines, [("bold", "› ")])

    def ask(self, what: str) -> str | None:
        """Return what the person answers."""
        self._flush()
        return _line_of(self._answers, [("", what)])

    @property
    def _columns(self) -> int:
        return self._lines.output.get_size().columns

    def _flush(self) -> None:
        self._print(self._wrapper.rest(self._columns))

    def _clear_progress(self) -> None:
        if self._in_progress:
            output = self._lines.output
            output.write_raw("\r")
            output.erase_end_of_line()
            output.flush()
            self._in_progress = False

    def _print(self, text: str) -> None:
        if text:
            print_formatted_text(FormattedText([(_STYLES[self._look], text)]), end="", color_depth=self._depth)


def _line_of(session: PromptSession[str], prompt: list[tuple[str, str]]) -> str | None:
    try:
        return session.prompt(FormattedText(prompt))
    except (EOFError, KeyboardInterrupt):
        return None


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    return keys
