"""What a turn cost in US dollars, under the names of those who keep traces: they count in nothing else. Pure."""

from __future__ import annotations

from remote_chatbots.events import Usage

_DOLLARS = "USD"
# LangSmith, "Cost tracking": costs in dollars in a run's `usage_metadata`.
_LANGSMITH = ("total_cost", "input_cost", "output_cost")
# OpenInference, "Semantic Conventions": costs in USD.
_OPENINFERENCE = ("llm.cost.total", "llm.cost.prompt", "llm.cost.completion")


def langsmith_costs(usage: Usage) -> dict[str, float]:
    """Return what LangSmith takes into a run's `usage_metadata`; nothing if no price in dollars is known."""
    return _costs(usage, _LANGSMITH)


def openinference_costs(usage: Usage) -> dict[str, float]:
    """Return the attributes that OpenInference has for a span; none if no price in dollars is known."""
    return _costs(usage, _OPENINFERENCE)


def _costs(usage: Usage, names: tuple[str, str, str]) -> dict[str, float]:
    # Where Dify knows no price of a model it says 0 USD (recorded: every turn of 0.15.3 and 1.14.2).
    if usage.currency != _DOLLARS or not usage.total_price:
        return {}
    total, of_prompt, of_completion = names
    costs = {total: float(usage.total_price)}
    if usage.prompt_price is None or usage.completion_price is None:
        return costs
    # Traces show the sum of the parts: they are told only if it is the price.
    if usage.prompt_price + usage.completion_price != usage.total_price:
        return costs
    return costs | {of_prompt: float(usage.prompt_price), of_completion: float(usage.completion_price)}
