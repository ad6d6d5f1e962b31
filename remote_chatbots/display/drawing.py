"""A timeline as a picture: SVG of ours, legible on light and on dark ground without knowing which. Pure.

Words and lines have the colour of the text around them. The colours of the bars stand out from white and from black.
"""

from __future__ import annotations

import unicodedata

from remote_chatbots.display.markup import Html, joined, tag
from remote_chatbots.display.timeline import LEAST_S, Placed, Timeline

COLOURS = {"done": "#3d85c6", "holds": "#8a8a8a", "tool": "#2a9d8f", "failed": "#e0484d", "running": "#b87a12"}
_WIDTH, _ROW, _LABELS, _BARS, _TOP = 720, 22, 240, 330, 20
_INDENT, _LEAST_BAR = 14, 3
_HOLDING = ("iteration", "loop")
_MOST_CELLS = 32  # of a name, where a wide character takes two


def drawn(line: Timeline) -> Html:
    """Return the picture of a timeline: a row for each step."""
    top = _TOP if line.length_s else 0
    height = top + _ROW * len(line.steps) + 6
    rows = [_row(step, top + _ROW * number, line.length_s) for number, step in enumerate(line.steps)]
    return tag(
        "svg",
        tag("title", summary(line)),
        _scale(line.length_s, height),
        *rows,
        role="img",
        aria_label=summary(line),
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        font_size="12",
        fill="currentColor",
    )


def summary(line: Timeline) -> str:
    """Return in words how many steps there were, how long they took and how many failed."""
    number = len(line.steps) + line.left_out
    told = f"{number} {'step' if number == 1 else 'steps'}"
    if line.length_s:
        told += f" in {seconds(line.length_s)}"
    if line.failed:
        told += f", {len(line.failed)} failed"
    return told


def seconds(length_s: float) -> str:
    """Return a duration for people."""
    if length_s < 0.0995:
        return f"{length_s * 1000:.0f} ms" if length_s >= LEAST_S else "0 ms"
    if length_s < 100:
        return f"{length_s:.1f} s" if length_s >= 10 else f"{length_s:.2f} s"
    return f"{length_s:,.0f} s"


def _scale(length_s: float, height: int) -> Html:
    if not length_s:
        return Html("")
    marks = []
    for part in (0.0, 0.5, 1.0):
        x = round(_LABELS + _BARS * part, 1)
        marks += [
            tag("line", x1=x, x2=x, y1=_TOP - 4, y2=height - 6, stroke="currentColor", stroke_opacity="0.25"),
            tag("text", seconds(length_s * part), x=x, y=12, text_anchor="middle", font_size="10", fill_opacity="0.8"),
        ]
    return joined(marks)


def _row(step: Placed, y: int, length_s: float) -> Html:
    scale = _BARS / length_s if length_s else 0.0
    x = _LABELS + min(step.start_s * scale, _BARS - _LEAST_BAR)
    width = min(max((step.length_s or 0.0) * scale, _LEAST_BAR), _LABELS + _BARS - x)
    indent = step.depth * _INDENT
    word = _word(step)
    return tag(
        "g",
        tag("title", ": ".join(part for part in (f"{step.name} ({step.kind})", word, step.error) if part)),
        tag("text", fitting(step.name, _MOST_CELLS - 2 * step.depth), x=indent, y=y + 15),
        _bar(step, round(x, 1), y, round(width, 1)) if length_s else Html(""),
        tag("text", word, x=_LABELS + _BARS + 10, y=y + 15, font_weight="bold" if step.failed else None),
    )


def _bar(step: Placed, x: float, y: int, width: float) -> Html:
    if step.kind in _HOLDING and not step.failed:
        return _rect(x, y + 9, width, 4, COLOURS["holds"])
    if step.status == "running":
        line = {"stroke": COLOURS["running"], "stroke_dasharray": "4 3"}
        return _rect(x, y + 5, width, 12, "none", stroke_width="2", **line)
    kind = "failed" if step.failed else "tool" if step.kind in ("tool", "thought") else "done"
    return _rect(x, y + 4, width, 14, COLOURS[kind])


def _rect(x: float, y: int, width: float, height: int, fill: str, **line: str) -> Html:
    return tag("rect", x=x, y=y, width=width, height=height, rx=2, fill=fill, **line)


def _word(step: Placed) -> str:
    took = "" if step.length_s is None else seconds(step.length_s)
    if step.failed:
        return f"✗ {step.status if step.status != 'running' else 'failed'} {took}".rstrip()
    return took if went_well(step) else f"{step.status} {took}".rstrip()


def went_well(step: Placed) -> bool:
    """Return whether nothing need be said of how a step ended."""
    return not step.failed and step.status in ("", "succeeded", "success")


def fitting(words: str, cells: int) -> str:
    """Return the beginning of `words` that fits into so many cells."""
    taken = 0
    for at, character in enumerate(words):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > cells:
            return words[: max(at - 1, 1)].rstrip() + "…"
    return words
