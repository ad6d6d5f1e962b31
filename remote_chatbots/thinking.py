"""What a model thinks between `<think>` marks, told apart from its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from remote_chatbots.events import Event, Reasoning, Step, TextDelta, TextReplaced
from remote_chatbots.stopping import overlap

if TYPE_CHECKING:
    from remote_chatbots.flow import Flow
    from remote_chatbots.stored import StoredMessage

_BEGIN, _END = "<think>", "</think>"


class ThinkSplitter:
    """Turns the text between `<think>` and `</think>` into `Reasoning`, wherever the pieces of text are cut.

    The marks are the model's own (GPTBots API reference, "Send message"; Dify hands them on as they are). A tail that
    may yet become a mark is held back until that is clear; one behind a backtick is quoted, and text. White space
    between a thought and the first word of the answer belongs to neither.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thinks = False
        self._thought = False
        self._answers = False
        self._last = ""

    def cut(self, events: list[Event]) -> list[Event]:
        """Return `events` with their text divided."""
        kept: list[Event] = []
        for event in events:
            if type(event) is TextDelta:
                if "<" in event.text or self._held or self._thinks or (self._thought and not self._answers):
                    kept += self._divided(event.text)
                else:
                    self._answers = self._answers or bool(event.text.strip())
                    self._last = event.text[-1:] or self._last
                    kept.append(event)
            elif type(event) is TextReplaced:
                self.__init__()  # type: ignore[misc]  # all that was said is withdrawn
                told = [*self._divided(event.text), *self.rest()]
                kept += [one for one in told if type(one) is Reasoning]
                kept.append(TextReplaced("".join(one.text for one in told if type(one) is TextDelta), event.reason))
            else:
                kept.append(event)
        return kept

    def rest(self) -> list[Event]:
        """Return the text that was held back, once no more can come."""
        held, self._held = self._held, ""
        return self._piece(held)

    def _divided(self, text: str) -> list[Event]:
        text, self._held = self._held + text, ""
        found: list[Event] = []
        while text:
            mark = _END if self._thinks else _BEGIN
            at = text.find(mark)
            if at < 0:
                clear = len(text) - overlap(text, mark)
                self._held = text[clear:]
                return found + self._piece(text[:clear])
            if not self._thinks and (text[:at] or self._last).endswith("`"):
                found += self._piece(text[: at + len(mark)])
            else:
                found += self._piece(text[:at])
                self._thinks = not self._thinks
                self._thought = True
            text = text[at + len(mark) :]
        return found

    def _piece(self, text: str) -> list[Event]:
        if self._thinks:
            return [Reasoning(text)] if text else []
        if self._thought and not self._answers:
            text = text.lstrip()
        self._answers = self._answers or bool(text.strip())
        self._last = text[-1:] or self._last
        return [TextDelta(text)] if text else []


def told_apart(flow: Flow[list[StoredMessage]]) -> Flow[list[StoredMessage]]:
    """Return the messages that `flow` reads, the thoughts of answers apart from their text as in the live answers."""
    return [_apart(one) for one in (yield from flow)]


def _apart(message: StoredMessage) -> StoredMessage:
    if message.role != "assistant" or _BEGIN not in message.text:
        return message
    splitter = ThinkSplitter()
    said, beside = "", list[tuple[int, str | Step]]()

    def take(pieces: list[Event]) -> None:
        nonlocal said
        for piece in pieces:
            if isinstance(piece, TextDelta):
                said += piece.text
            elif isinstance(piece, Reasoning):
                beside.append((len(said), piece.text))

    begin = 0
    for end, step in message.beside:
        take(splitter.cut([TextDelta(message.text[begin:end])]))
        beside.append((len(said), step))
        begin = end
    take([*splitter.cut([TextDelta(message.text[begin:])]), *splitter.rest()])
    return replace(message, text=said, beside=tuple(beside))
