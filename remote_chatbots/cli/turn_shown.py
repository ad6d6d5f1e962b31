"""A turn on a screen: text and thoughts while they come, steps, and in the end what the answer rests on."""

from __future__ import annotations

from collections.abc import Iterable

from remote_chatbots.answer import Answer
from remote_chatbots.cli.screen import Screen
from remote_chatbots.events import Event, MediaProduced, Reasoning, Source, Step, TextDelta, TextReplaced
from remote_chatbots.printable import Cleaner, on_a_line, printable
from remote_chatbots.steps import failed

_PASSAGE = 400


class TurnShown:
    """Shows a turn's events. What the bot says is data: no event reaches the screen as it came."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._text = Cleaner()
        self._thoughts = Cleaner()
        self._thinks = False
        self._spoke = False
        self._at_line_start = True
        self._later: dict[tuple[str, str], Step] = {}
        self._told: set[tuple[str, str]] = set()

    def take(self, event: Event) -> None:
        """Show one more event."""
        match event:
            case TextDelta(text):
                self._say(self._text.feed(text))
            case Reasoning(text):
                self._think(self._thoughts.feed(text))
            case TextReplaced(text, reason):
                self._end_line()
                why = f" ({on_a_line(reason, 200)})" if reason else ""
                self._screen.note(f"  ⊘ withdrawn{why}; in its place:\n", "wrong")
                self._text = Cleaner()
                self._say(self._text.feed(text))
            case Step() if event.status != "running" and is_worth_a_line(event):
                # A line in the midst of the text would tear it: what is done meanwhile is told after it.
                self._later[event.kind, event.id] = event
                if not self._spoke:
                    self._tell_steps()
            case MediaProduced(kind, url) if url:
                self._end_line()
                self._screen.write(f"  {on_a_line(kind, 20)}: {on_a_line(url)}\n")

    def end(self, answer: Answer) -> None:
        """Show what is known when the turn is over, however it ended."""
        self._say(self._text.rest())
        self._end_line()
        self._tell_steps()
        show_sources(self._screen, answer.sources)
        sound = sum(len(media.data) for media in answer.media)
        if sound:
            self._screen.note(f"  speech: {sound / 1024:.0f} KiB of sound, not played here\n")
        if answer.usage is not None:
            price = answer.usage.total_price
            cost = f", {price} {on_a_line(answer.usage.currency, 12)}" if price else ""
            self._screen.note(f"  {answer.usage.total_tokens} tokens{cost}\n")

    def _say(self, text: str) -> None:
        if not self._spoke:
            text = text.lstrip("\n")  # often left where the thoughts were cut out
        if not text:
            return
        if self._thinks:
            self._end_line()
            self._screen.note("\n")
        self._spoke = True
        self._screen.write(text)
        self._at_line_start = text.endswith("\n")

    def _think(self, text: str) -> None:
        if not text:
            return
        if not self._thinks:
            self._end_line()
            self._thinks = True
        self._screen.note(text)
        self._at_line_start = text.endswith("\n")

    def _end_line(self) -> None:
        if self._thinks:
            self._thinks = False
            self._screen.note(self._thoughts.rest())
            show = self._screen.note
        else:
            show = self._screen.write
        if not self._at_line_start:
            show("\n")
        self._at_line_start = True

    def _tell_steps(self) -> None:
        for key, step in self._later.items():
            if key in self._told:
                continue
            self._told.add(key)
            self._end_line()
            show_step(self._screen, step)
        self._later.clear()


def show_step(screen: Screen, step: Step) -> None:
    """Show a step as one line: its name, how long it took, and how it failed, if it did."""
    went_wrong = failed(step.status, step.error) or step.status == "partial-succeeded"
    took = "" if step.elapsed_s is None else f" {step.elapsed_s:.2f} s"
    why = f": {on_a_line(step.error, 1000)}" if step.error else ""
    line = f"  {'✗' if went_wrong else '·'} {on_a_line(step.name) or on_a_line(step.kind)}{took}{why}"
    screen.note(screen.fit(line) + "\n", "wrong" if went_wrong else "dim")


def show_sources(screen: Screen, sources: Iterable[Source]) -> None:
    """Show sources, each as one line."""
    for number, source in enumerate(sources, 1):
        screen.write(screen.fit(source_in_a_line(number, source)) + "\n", "dim")


def is_worth_a_line(step: Step) -> bool:
    """Return whether a step tells more than the text does: a thought without a tool, or a form, is there already."""
    return bool(step.error) or (step.kind != "form" and bool(step.name or step.kind != "thought"))


def source_in_a_line(number: int, source: Source) -> str:
    """Return a source as one line, with its number."""
    return f"  [{number}] {source_in_words(source)}"


def source_in_words(source: Source) -> str:
    """Return a source as one line: its document, score, and how the passage begins."""
    score = "" if source.score is None else f" {source.score:.2f}"
    return f"{on_a_line(source.title) or 'untitled'}{score} · {on_a_line(source.content, _PASSAGE)}"


def source_in_full(number: int, source: Source) -> str:
    """Return a source with its whole passage."""
    head = source_in_a_line(number, source).partition(" · ")[0]
    return f"{head}\n{printable(source.content).strip()}\n"
