"""Token counts and prices of a turn, as Dify reports them.

Times are invented from the token count, never measured: a turn reports the same numbers every time.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .model import tokens

_PROMPT_UNIT_PRICE = Decimal("2.50")
_COMPLETION_UNIT_PRICE = Decimal("10.00")
_PRICE_UNIT = Decimal("0.000001")
# Dify keeps seven decimals of every price.
_PRICE_STEP = Decimal("0.0000001")

_FIRST_TOKEN_S = 0.05
_TOKEN_S = 0.012


def token_count(texts: Iterable[str]) -> int:
    """Count the tokens of some texts."""
    return sum(len(tokens(text)) for text in texts)


def generation_s(completion_tokens: int) -> float:
    """Return how long the model pretends to have taken for so many tokens, in seconds."""
    return round(_TOKEN_S * completion_tokens, 3)


def usage(prompt_tokens: int, completion_tokens: int, *, timed: bool = True) -> dict[str, Any]:
    """Describe what a turn used.

    Args:
        prompt_tokens: Tokens that the model read.
        completion_tokens: Tokens that the model said.
        timed: Whether the model streamed to Dify; if not, Dify knows no time of the first token.

    Returns:
        The `usage` object with the recorded keys in the recorded order; prices are decimal strings.
    """
    prompt_price = _price(prompt_tokens, _PROMPT_UNIT_PRICE)
    completion_price = _price(completion_tokens, _COMPLETION_UNIT_PRICE)
    generation = generation_s(completion_tokens)
    return {
        "prompt_tokens": prompt_tokens,
        "prompt_unit_price": str(_PROMPT_UNIT_PRICE),
        "prompt_price_unit": str(_PRICE_UNIT),
        "prompt_price": str(prompt_price),
        "completion_tokens": completion_tokens,
        "completion_unit_price": str(_COMPLETION_UNIT_PRICE),
        "completion_price_unit": str(_PRICE_UNIT),
        "completion_price": str(completion_price),
        "total_tokens": prompt_tokens + completion_tokens,
        "total_price": str(prompt_price + completion_price),
        "currency": "USD",
        "latency": round(_FIRST_TOKEN_S + generation, 3),
        "time_to_first_token": _FIRST_TOKEN_S if timed else None,
        "time_to_generate": generation if timed else None,
    }


def no_usage(latency_s: float = 0.0) -> dict[str, Any]:
    """Return what Dify reports for a stopped run and for a knowledge search: zeros, written `0.0`.

    recorded: 1.14.2/chat-stream-stopped, 1.14.2/chatflow-stream-1-first-turn
    """
    zero = "0.0"
    return {
        "prompt_tokens": 0,
        "prompt_unit_price": zero,
        "prompt_price_unit": zero,
        "prompt_price": zero,
        "completion_tokens": 0,
        "completion_unit_price": zero,
        "completion_price_unit": zero,
        "completion_price": zero,
        "total_tokens": 0,
        "total_price": zero,
        "currency": "USD",
        "latency": latency_s,
        "time_to_first_token": None,
        "time_to_generate": None,
    }


def _price(count: int, unit_price: Decimal) -> Decimal:
    return (count * unit_price * _PRICE_UNIT).quantize(_PRICE_STEP, ROUND_HALF_UP)
