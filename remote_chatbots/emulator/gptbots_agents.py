"""The GPTBots agents that the emulator serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: a name that is also its kind, and what is set in its console.

    Attributes:
        is_flow: Whether components answer, each with an output of its own, in place of one model.
        sees_pictures: Whether its model takes pictures.
        suggests: Whether it suggests questions.
        remembers: Whether it uses the conversation's earlier turns when a request does not say.
        api_is_on: Whether the API may be used at all.
        has_credits: Whether it may spend anything.
        question_limit: How many tokens a question may have.
        welcome: What it says when a conversation is opened.
    """

    name: str
    is_flow: bool = False
    sees_pictures: bool = True
    suggests: bool = True
    remembers: bool = True
    api_is_on: bool = True
    is_deleted: bool = False
    has_credits: bool = True
    question_limit: int = 2000
    welcome: str = ""

    @property
    def component(self) -> str:
        """Which component answers."""
        return "Answerer" if self.is_flow else "Agent"


AGENTS: tuple[Agent, ...] = (
    Agent("gptbots"),
    Agent("gptbots-flow", is_flow=True, welcome="Welcome to Saltmouth!"),
    Agent("gptbots-text", sees_pictures=False, suggests=False),
    Agent("gptbots-forgetful", remembers=False),
    Agent("gptbots-api-off", api_is_on=False),
    Agent("gptbots-no-credits", has_credits=False),
    Agent("gptbots-deleted", is_deleted=True),
)
