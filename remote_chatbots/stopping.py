"""Stop sequences, honoured on the client: no platform of ours takes them."""

from __future__ import annotations

from collections.abc import Iterable

from remote_chatbots.events import Event, TextDelta, TextReplaced


class StopCutter:
    """Lets text through up to the first stop sequence, wherever the pieces of text are cut.

    A tail that may yet become a stop sequence is held back until it is clear.

    Args:
        sequences: The sequences; none at all lets everything through.
    """

    def __init__(self, sequences: Iterable[str]) -> None:
        self._sequences = tuple(sequences)
        self._held = ""
        self.found = False

    def cut(self, events: list[Event]) -> list[Event]:
        """Return `events` with the text from the first stop sequence on removed."""
        if not self._sequences:
            return events
        kept: list[Event] = []
        for event in events:
            if type(event) is TextDelta:
                text = self._through(event.text)
                if text:
                    kept.append(TextDelta(text))
            elif type(event) is TextReplaced:
                self._held, self.found = "", False
                kept.append(TextReplaced(self._through(event.text), event.reason))
            else:
                kept.append(event)
        return kept

    def rest(self) -> list[Event]:
        """Return the text that was held back, once no more can come."""
        held, self._held = self._held, ""
        at = self._first(held)
        self.found = self.found or at is not None
        return [TextDelta(held[:at])] if held[:at] else []

    def _through(self, text: str) -> str:
        if self.found:
            return ""
        text = self._held + text
        first = self._first(text)
        unclear = len(text) - max(overlap(text, sequence) for sequence in self._sequences)
        if first is not None and first <= unclear:
            self.found, self._held = True, ""
            return text[:first]
        # A sequence that begins before the one that is there may still become whole.
        self._held = text[unclear:]
        return text[:unclear]

    def _first(self, text: str) -> int | None:
        """Return where the first of the sequences in `text` begins."""
        return min((at for sequence in self._sequences if (at := text.find(sequence)) >= 0), default=None)


def overlap(text: str, sequence: str) -> int:
    """Return how many characters at the end of `text` are the beginning of `sequence`."""
    at = text.find(sequence[0], max(0, len(text) - len(sequence) + 1))
    while at >= 0 and not sequence.startswith(text[at:]):
        at = text.find(sequence[0], at + 1)
    return len(text) - at if at >= 0 else 0
