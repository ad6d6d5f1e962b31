"""Which price of a turn is told to those who keep traces, and under which names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from remote_chatbots import Usage
from remote_chatbots.dollars import langsmith_costs, openinference_costs

IN, OUT, ALL = Decimal("0.0001218"), Decimal("0.0000384"), Decimal("0.0001602")


def test_a_price_in_dollars_is_told_with_its_parts() -> None:
    usage = Usage(total_price=ALL, currency="USD", prompt_price=IN, completion_price=OUT)
    assert langsmith_costs(usage) == {"total_cost": 0.0001602, "input_cost": 0.0001218, "output_cost": 0.0000384}
    assert openinference_costs(usage) == {
        "llm.cost.total": 0.0001602, "llm.cost.prompt": 0.0001218, "llm.cost.completion": 0.0000384,
    }  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"prompt_price": IN},
        {"completion_price": OUT},
        {"prompt_price": IN, "completion_price": IN},
        {"prompt_price": Decimal(0), "completion_price": Decimal(0)},
    ],
    ids=str,
)
def test_parts_that_do_not_make_the_price_are_not_told(parts: Any) -> None:
    usage = Usage(total_price=ALL, currency="USD", **parts)
    assert (langsmith_costs(usage), openinference_costs(usage)) == (
        {"total_cost": 0.0001602}, {"llm.cost.total": 0.0001602},
    )  # fmt: skip


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(total_price=ALL),
        Usage(total_price=ALL, currency="RMB", prompt_price=IN, completion_price=OUT),
        Usage(total_price=Decimal(3), currency="credits"),
        Usage(total_price=Decimal("0E-7"), currency="USD", prompt_price=Decimal(0), completion_price=Decimal(0)),
    ],
    ids=lambda usage: f"{usage.total_price} {usage.currency}",
)
def test_what_is_no_price_in_dollars_is_not_told(usage: Usage) -> None:
    assert langsmith_costs(usage) == openinference_costs(usage) == {}
