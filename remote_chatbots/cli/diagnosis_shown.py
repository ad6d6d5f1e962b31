"""What the doctor found, as text for people and as data for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from remote_chatbots.cli.wrapping import filled
from remote_chatbots.described import AppParameters, InputField
from remote_chatbots.printable import on_a_line

if TYPE_CHECKING:
    from remote_chatbots.cli.doctor import Report

_WIDTH = 79
_LABEL = 16
_PLATFORMS = {"dify": "Dify", "gptbots": "GPTBots"}
_FEATURES = {
    "citations": "citations",
    "suggestions": "follow-ups",
    "speech_to_text": "speech to text",
    "text_to_speech": "text to speech",
    "annotation_reply": "annotation reply",
    "moderation": "moderation",
}
_SWITCH = {True: "on", False: "off", None: "not told"}


def as_text(report: Report) -> str:
    """Return the report for people: a line for each thing, then what is wrong and what to do."""
    lines = [f"{_PLATFORMS[report.platform]} at {report.base_url}"]
    for mark, label, told in _told(report):
        lines += _entry(f"  {mark} {label}", told)
    for problem in report.problems:
        lines += ["", *_entry("  ✗ what is wrong", problem.cause), *_entry("    what to do", problem.cure)]
        lines += _entry("    in full", problem.told) if problem.told != problem.cause else []
    for number, base in enumerate(report.knowledge_bases):
        documents = "" if base.document_count is None else f", {base.document_count} documents"
        told = f"dataset_id {on_a_line(base.dataset_id)} ({on_a_line(base.name, 100)}{documents})"
        lines += _entry("" if number else "    it opens", told)
    for hint in report.hints:
        lines += ["", *_entry("  ! note", hint)]
    lines += ["", "Something is wrong." if report.problems else "All is well."]
    return "\n".join(lines) + "\n"


def as_data(report: Report) -> dict[str, Any]:
    """Return the report for programs; durations in seconds, null for what is not known."""
    told, info, asked = report.parameters, report.info, report.asked
    return {
        "ok": not report.problems,
        "exit_code": report.exit_code,
        "platform": report.platform,
        "base_url": report.base_url,
        "server_version": report.server_version or None,
        "round_trip_s": _rounded(report.round_trip_s),
        "app": info and {"name": info.name, "kind": info.kind or None, "description": info.description},
        "inputs": None if told is None else [_field_as_data(one) for one in told.input_form],
        "features": None if told is None else {name: getattr(told, name) for name in _FEATURES},
        "files": None
        if told is None
        else {
            "enabled": told.files.enabled,
            "kinds": list(told.files.kinds),
            "number_limit": told.files.number_limit,
            "max_bytes": dict(told.files.max_bytes),
        },
        "answer": asked
        and {
            "first_token_s": _rounded(asked.first_token_s),
            "total_s": _rounded(asked.total_s),
            "text": asked.text,
            "sources": asked.sources,
            "tokens": asked.tokens,
            "finish_reason": asked.finish_reason or None,
        },
        "problems": [
            {"kind": one.kind, "cause": one.cause, "cure": one.cure, "told": one.told} for one in report.problems
        ],
        "knowledge_bases": [
            {"name": one.name, "dataset_id": one.dataset_id, "documents": one.document_count}
            for one in report.knowledge_bases
        ],
        "hints": report.hints,
    }


def _told(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield a mark, a label and words for each thing that is known."""
    if report.round_trip_s is not None:
        yield "✓", "answers", f"in {_duration(report.round_trip_s)}; the key is accepted"
    if report.server_version:
        yield " ", "server", report.server_version
    if (info := report.info) is not None:
        kind = f", {info.kind}" if info.kind else ""
        yield "✓", "app", f'"{on_a_line(info.name, 200)}"{kind}'
        if info.description:
            yield " ", "", on_a_line(info.description, 300)
    if (told := report.parameters) is not None:
        yield from _told_of(told, "none" if report.platform == "dify" else "not told")
    if (asked := report.asked) is not None and asked.total_s is not None:
        first = "" if asked.first_token_s is None else f"first words after {_duration(asked.first_token_s)}, "
        tokens = "" if asked.tokens is None else f", {asked.tokens} tokens"
        sources = f"{asked.sources} source{'' if asked.sources == 1 else 's'}"
        yield "✓", "test question", f"{first}all after {_duration(asked.total_s)}; {sources}{tokens}"
        yield " ", "", on_a_line(asked.text, 200) or f"(no text; {asked.finish_reason})"


def _told_of(told: AppParameters, no_inputs: str) -> Iterator[tuple[str, str, str]]:
    for number, one in enumerate(told.input_form):
        yield " ", "" if number else "inputs", _field_in_words(one)
    if not told.input_form:
        yield " ", "inputs", no_inputs
    for name, label in _FEATURES.items():
        switch: bool | None = getattr(told, name)
        yield "✓" if switch else "–" if switch is False else "?", label, _SWITCH[switch]
    files = told.files
    kinds = ", ".join(files.kinds)
    most = f", at most {files.number_limit} at once" if files.number_limit is not None else ""
    yield (
        "✓" if files.enabled else "–" if files.enabled is False else "?",
        "files",
        ("off" if files.enabled is False else f"{kinds or _SWITCH[files.enabled]}{most}"),
    )


def _field_in_words(one: InputField) -> str:
    limits = [one.kind, "required" if one.required else "optional"]
    if one.options:
        limits.append("one of " + ", ".join(on_a_line(option, 40) for option in one.options[:10]))
    if one.max_length is not None:
        limits.append(f"at most {one.max_length} characters")
    if one.files is not None:
        limits += [on_a_line(", ".join(one.files.kinds), 100)] if one.files.kinds else []
        limits += [f"at most {one.files.number_limit}"] if one.kind == "file-list" and one.files.number_limit else []
    if one.default is not None:
        limits.append(f"default {on_a_line(str(one.default), 40)}")
    return f"{one.name} ({'; '.join(limits)})"


def _field_as_data(one: InputField) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": one.label,
        "kind": one.kind,
        "required": one.required,
        "options": list(one.options),
        "max_length": one.max_length,
        "files": one.files and {"kinds": list(one.files.kinds), "number_limit": one.files.number_limit},
        "default": one.default,
    }


def _entry(label: str, told: str) -> list[str]:
    """Return the lines of an entry: the label, and words that hang beside it. Addresses stay in one piece.

    Whoever wrote the words: they are data.
    """
    return filled(on_a_line(told), _WIDTH, f"{label:<{_LABEL + 4}} ", " " * (_LABEL + 5))


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
