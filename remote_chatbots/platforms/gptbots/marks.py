"""The marks by which an agent cites in its text: `$[1]$` (GPTBots API reference, "Send message", corner_citation)."""

from __future__ import annotations

import re
from dataclasses import replace

from remote_chatbots.events import Event, Source, SourcesFound, TextDelta, TextReplaced
from remote_chatbots.flow import Flow
from remote_chatbots.stored import StoredMessage

_MARK = re.compile(r"\$\[(\d{1,4})\]\$")
# What may yet become a mark. Money ($18.50) is none, whatever stands beside it.
_UNCLEAR = re.compile(r"\$(?:\[(?:\d{1,4}(?:\]?))?)?$")
_NEXT_SENTENCE = re.compile(r"(?:[.!?]\s+|[。！？\n]\s*)(?=\S)")
_NO_WORDS = " \t\r\n.,;:!?。！？，；："


def unmarked(history: Flow[list[StoredMessage]]) -> Flow[list[StoredMessage]]:
    """Return the messages of `history`, answers relieved of marks."""
    messages = yield from history
    return [replace(one, text=_MARK.sub("", one.text)) if one.role == "assistant" else one for one in messages]


class CornerMarks:
    """Finds the marks, wherever the pieces of text are cut, and tells the sources which part of the text rests on them.

    A span is the sentence, or the rest of it behind an earlier mark, that ends where the mark stands.

    Args:
        keep: Whether the marks stay in the text.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._held = ""
        self._said = 0  # characters before the newest mark, and the mark
        self._since: list[str] = []  # the text behind it
        self._span = (0, 0)  # of the newest mark
        self._spans: dict[int, list[tuple[int, int]]] = {}

    def cut(self, events: list[Event]) -> list[Event]:
        """Return `events` with their text relieved of marks, and their sources told of spans."""
        kept: list[Event] = []
        for event in events:
            if type(event) is TextDelta:
                text = self._held + event.text
                clear = max((mark.end() for mark in _MARK.finditer(text)), default=0)
                unclear = _UNCLEAR.search(text, clear)
                self._held = unclear.group() if unclear else ""
                kept += self._piece(text[: len(text) - len(self._held)])
            elif type(event) is TextReplaced:
                self.__init__(keep=self._keep)  # type: ignore[misc]  # all that was said is withdrawn
                pieces = [one.text for one in self._piece(event.text) if isinstance(one, TextDelta)]
                kept.append(TextReplaced("".join(pieces), event.reason))
            elif type(event) is SourcesFound:
                kept.append(SourcesFound(tuple(map(self._with_spans, event.sources))))
            else:
                kept.append(event)
        return kept

    def rest(self) -> list[Event]:
        """Return the text that was held back, once no more can come."""
        held, self._held = self._held, ""
        return self._piece(held)

    def _piece(self, text: str) -> list[Event]:
        said: list[str] = []
        at = 0
        for mark in _MARK.finditer(text):
            self._since.append(text[at : mark.start()])
            said += [text[at : mark.start()], mark.group() if self._keep else ""]
            self._take(int(mark.group(1)), said[-1])
            at = mark.end()
        self._since.append(text[at:])
        whole = "".join([*said, text[at:]])
        return [TextDelta(whole)] if whole else []

    def _take(self, number: int, mark: str) -> None:
        behind = "".join(self._since)
        sentence = behind.rstrip()
        if sentence.strip(_NO_WORDS):
            begins = max((found.end() for found in _NEXT_SENTENCE.finditer(sentence)), default=0)
            begins = begins or len(sentence) - len(sentence.lstrip())
            self._span = self._said + begins, self._said + len(sentence)
        self._spans.setdefault(number, []).append(self._span)  # a mark behind a mark shares its span
        self._said += len(behind) + len(mark)
        self._since = []

    def _with_spans(self, source: Source) -> Source:
        spans = () if source.position is None else tuple(self._spans.get(source.position, ()))
        return replace(source, spans=spans) if spans else source
