"""One request to an endpoint that reads or rates, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .fault_registry import FaultSet
from .gptbots_agents import Agent
from .gptbots_forms import Record
from .gptbots_refusals import bad_parameters
from .gptbots_state import AgentConversation, AgentState
from .gptbots_turn import AgentTurn


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint is asked.

    Attributes:
        values: The query of a GET, the body of a POST.
        media_url: What the addresses of files begin with.
    """

    state: AgentState
    agent: Agent
    values: Mapping[str, Any]
    faults: FaultSet
    media_url: str

    def turn_of(self, answer_id: str) -> tuple[AgentConversation, AgentTurn]:
        """Return the turn of an answer of this agent.

        Raises:
            AgentRefusal: 40000 if there is no such answer.
        """
        found = self.state.turn_of(self.agent, answer_id)
        if found is None:
            raise bad_parameters("there is no such answer")
        return found


Endpoint = Callable[[Call], Record]
