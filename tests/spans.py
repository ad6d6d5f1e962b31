"""Spans as OpenTelemetry's exporters have them, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Instrumentor(Protocol):
    def instrument(self, **given: Any) -> None: ...

    def uninstrument(self, **given: Any) -> None: ...


class Spans:
    """What was exported until now."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def of_kind(self, kind: str) -> list[ReadableSpan]:
        return [span for span in self.all if told(span).get("openinference.span.kind") == kind]

    def the(self, kind: str) -> ReadableSpan:
        """Return the only span of a kind: "LLM", "RETRIEVER", "CHAIN"."""
        [span] = self.of_kind(kind)
        return span

    def text(self) -> str:
        """Return all that an exporter would send: names, attributes, events, states, resources."""
        return "\n".join(str(span.to_json()) for span in self.all)


@contextmanager
def exported(instrumentor: Instrumentor) -> Iterator[Spans]:
    """Instrument a framework, and take off again what that put on it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield Spans(exporter)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def failure(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of the exception that a span tells of."""
    [event] = [event for event in span.events if event.name == "exception"]
    return dict(event.attributes or {})
