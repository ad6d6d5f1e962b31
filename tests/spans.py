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

    def __init__(self, exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
        self._exporter = exporter
        self.provider = provider

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
        yield Spans(exporter, provider)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def costs(span: ReadableSpan) -> dict[str, Any]:
    return {name: value for name, value in told(span).items() if name.startswith("llm.cost.")}


def in_dollars(usage: dict[str, Any]) -> dict[str, float]:
    """Return what a span has to tell of a usage, as Dify sends it."""
    prices = {"total": "total_price", "prompt": "prompt_price", "completion": "completion_price"}
    told_as = {f"llm.cost.{name}": float(usage[price]) for name, price in prices.items()}
    assert all(told_as.values())
    return told_as


def failure(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of the exception that a span tells of."""
    [event] = [event for event in span.events if event.name == "exception"]
    return dict(event.attributes or {})
