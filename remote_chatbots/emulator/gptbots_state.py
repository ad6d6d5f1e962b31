"""What the GPTBots server remembers: agents, their credits, conversations and turns. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from .clock import Clock, local_time
from .gptbots_agents import AGENTS, Agent
from .gptbots_library import Library
from .gptbots_refusals import (
    FOREIGN_CONVERSATION,
    NO_CONVERSATION,
    NO_CREDITS_TO_SEND,
    NO_PICTURES,
    QUESTION_TOO_LONG,
    AgentRefusal,
)
from .gptbots_turn import AgentTurn, Asked
from .ids import Ids
from .knowledge import Hit
from .model import (
    CALLS_TOOL,
    Exchange,
    Script,
    Step,
    agent_script,
    answer_script,
    answers_from_sources,
    tags_in,
    tokens,
    without_tags,
)
from .prompts import context_of
from .usage import token_count

_SYSTEM_PROMPT = "You guide visitors. Variables: {variables} Knowledge: {context}"
# About a hundred credits make a dollar; the prices themselves are invented.
_PROMPT_CREDITS = 0.0015
_COMPLETION_CREDITS = 0.003


@dataclass(slots=True)
class AgentConversation:
    """A conversation of one user with one agent; it exists before its first turn."""

    id: str
    agent: Agent
    user_id: str
    created_at: int
    turns: list[AgentTurn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn costs."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def input_credits(self) -> float:
        """For what the model read."""
        return round(self.prompt_tokens * _PROMPT_CREDITS, 6)

    @property
    def output_credits(self) -> float:
        """For what it said."""
        return round(self.completion_tokens * _COMPLETION_CREDITS, 6)

    @property
    def credits(self) -> float:
        """For both."""
        return round(self.input_credits + self.output_credits, 6)


def cost_of(turn: AgentTurn) -> Cost:
    """Return what a turn costs."""
    return Cost(turn.prompt_tokens, len(turn.said))


class AgentState:
    """One server's data. Nothing in it waits; callers on one event loop need no lock."""

    def __init__(self, library: Library, ids: Ids, agent_credits: float) -> None:
        """Start a server without conversations.

        Args:
            library: What the agents search.
            ids: Gives agents their keys and everything its id.
            agent_credits: What each agent may spend.
        """
        self.library = library
        self.conversations: dict[str, AgentConversation] = {}
        self._ids = ids
        self._clock = Clock()
        self._agents = {ids.app_key(agent.name): agent for agent in AGENTS}
        self._credits = {agent.name: agent_credits if agent.has_credits else 0.0 for agent in AGENTS}

    def agent_with_key(self, key: str) -> Agent | None:
        """Return the agent that the key belongs to."""
        return self._agents.get(key)

    def agent_id(self, agent: Agent) -> str:
        """Return an agent's id."""
        return self._ids.hex24("agent", agent.name)

    def create(self, agent: Agent, user_id: str) -> AgentConversation:
        """Open a new conversation, also for a user who has some."""
        number = sum((each.agent, each.user_id) == (agent, user_id) for each in self.conversations.values())
        conversation = AgentConversation(
            id=self._ids.hex24(agent.name, user_id, "conversation", number),
            agent=agent,
            user_id=user_id,
            created_at=self._clock.tick(),
        )
        self.conversations[conversation.id] = conversation
        return conversation

    def conversation(self, agent: Agent, conversation_id: str) -> AgentConversation:
        """Return a conversation of this agent.

        Raises:
            AgentRefusal: 40356, or 40358 for another agent's.
        """
        found = self.conversations.get(conversation_id)
        if found is None:
            raise AgentRefusal(NO_CONVERSATION)
        if found.agent != agent:
            raise AgentRefusal(FOREIGN_CONVERSATION)
        return found

    def require_credits(self, agent: Agent, code: int) -> None:
        """Refuse an agent that has nothing left to spend.

        Raises:
            AgentRefusal: With the code given: which it is depends on what the credits are for.
        """
        if self._credits[agent.name] <= 0:
            raise AgentRefusal(code)

    def spend(self, agent: Agent, price: float) -> None:
        """Take the price from an agent, down to nothing."""
        self._credits[agent.name] = max(0.0, self._credits[agent.name] - price)

    def begin(self, agent: Agent, asked: Asked) -> AgentTurn:
        """Take a question and the whole answer into the history.

        Raises:
            AgentRefusal: 40356, 40358, 20022, 20040, 40364.
        """
        conversation = self.conversation(agent, asked.conversation_id)
        self.require_credits(agent, NO_CREDITS_TO_SEND)
        if token_count([asked.text]) > agent.question_limit:
            raise AgentRefusal(QUESTION_TOO_LONG)
        if not agent.sees_pictures and any(file.kind == "image" for file in asked.files):
            raise AgentRefusal(NO_PICTURES)
        turn = self._new_turn(conversation, asked)
        conversation.turns.append(turn)
        self.spend(agent, cost_of(turn).credits)
        return turn

    def turn_of(self, agent: Agent, answer_id: str) -> tuple[AgentConversation, AgentTurn] | None:
        """Return the turn that an answer belongs to, and where it is, `None` if this agent gave no such answer."""
        return next(
            (
                (conversation, turn)
                for conversation in self.conversations.values()
                if conversation.agent == agent
                for turn in conversation.turns
                if turn.answer_id == answer_id
            ),
            None,
        )

    def _new_turn(self, conversation: AgentConversation, asked: Asked) -> AgentTurn:
        remembered = self._remembered(conversation, asked)
        sources = self.library.search(without_tags(asked.query), asked.scope)
        created_at, number = self._clock.tick(), len(conversation.turns)
        context = _SYSTEM_PROMPT.format(variables=json.dumps(asked.variables), context=context_of(sources))
        read = [context, *(said for turn in remembered for said in (turn.query, turn.answer)), asked.query]
        return AgentTurn(
            agent=conversation.agent,
            user_id=conversation.user_id,
            asked=asked,
            question_id=self._ids.hex24(conversation.id, "question", number),
            answer_id=self._ids.hex24(conversation.id, "answer", number),
            created_at=created_at,
            script=_script(asked, remembered, sources, local_time(created_at)),
            sources=sources,
            prompt_tokens=token_count(read),
            tags=tags_in(asked.query),
        )

    def _remembered(self, conversation: AgentConversation, asked: Asked) -> list[Exchange]:
        """Return the turns that the model sees: of other conversations, of this one, and those the client sent."""
        short = conversation.agent.remembers if asked.short_term_memory is None else asked.short_term_memory
        others = [
            each
            for each in self.conversations.values()
            if asked.long_term_memory
            and each is not conversation
            and (each.agent, each.user_id) == (conversation.agent, conversation.user_id)
        ]
        held = [turn.exchange for each in (*others, *([conversation] if short else [])) for turn in each.turns]
        return [*held, *asked.earlier]


def _script(asked: Asked, remembered: list[Exchange], sources: list[Hit], now: str) -> Script:
    files = [file.name for file in asked.files]
    if tags_in(asked.query) & CALLS_TOOL:
        return agent_script(asked.query, remembered, sources, asked.variables, now=now, files=files)
    script = answer_script(asked.query, remembered, sources, asked.variables, files)
    if not (asked.marks_citations and answers_from_sources(asked.query)):
        return script
    marks = "".join(f"$[{number}]$" for number, _ in enumerate(sources, 1))
    return replace(script, steps=(*script.steps, Step(tokens(marks))))
