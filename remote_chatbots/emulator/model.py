"""The pretend model: what it says to a question, token by token. Same question, same answer.

A query may hold tags that ask for a special answer; `TAGS` lists them. Without one the model quotes the
conversation's first question when asked for it, answers from the best segment, or says that it knows nothing. If the
query holds a JSON Schema, its answer is the least JSON value that fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .json_answers import instance, schema_in
from .knowledge import Hit

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "slow": "a long answer, 0.12 s a token",
        "long": "a long answer of about 400 tokens",
        "emoji": "Chinese, emoji and combining characters",
        "md": "Markdown that looks like server-sent events and holds odd line ends",
        "think": "the usual answer behind <think>...</think>",
        "empty": "no text at all",
        "echo": "the rest of the query and nothing else",
        "inputs": "the app variables of this turn as JSON",
        "prose": "words, although the query asks for JSON; the next turn may have it",
        "neverjson": "words, although this query or a later one of the conversation asks for JSON",
        "same": "Dify: the usual answer, in the same second as the turn before",
        "fail": "the model fails before its first token",
        "failmid": "the model fails after six tokens",
        "time": "an agent calls the tool current_time",
        "tools": "the same",
        "iterate": "a chatflow has an iteration, a round for each of the query's first two words",
        "loop": "a chatflow of 1.14 has a loop of two rounds",
        "log": "a chatflow of 1.14 has a node whose agent keeps a log",
        "reason": "a chatflow of 1.14 tells what its model thinks apart from the answer, as servers of 1.16 do",
        "draw": "an agent or a chatflow makes a picture for its answer",
        "bad": "the model says a forbidden word, and output moderation withdraws the answer (not in 2023)",
        "badinput": "input moderation answers in the model's place (not in 2023)",
        "flow": "GPTBots: two components answer, and no text comes but in their outputs",
        "thought": "GPTBots: the usual answer after frames of reasoning",
        "audio": "GPTBots: the usual answer, spoken",
        "handoff": "GPTBots: a human takes over after the usual answer",
    }
)

CALLS_TOOL = frozenset({"time", "tools"})
# With these, too, the answer comes from what the knowledge base has.
_USUAL = frozenset(
    {
        "think", "same", "fail", "failmid", "flow", "thought", "audio", "handoff", "prose", "neverjson", "draw",
        "iterate", "loop", "log", "reason",
    }
)  # fmt: skip

SLOW_TOKEN_S = 0.12
_SUGGESTIONS = 3

_TAG = re.compile(r"\[\[({names})\]\] | ?\[\[({names})\]\]".format(names="|".join(TAGS)))
_ASKS_FOR_FIRST_QUESTION = re.compile(
    r"\bask(ed)?\s+(you\s+)?first\b|\bfirst\s+(ask(ed)?|question|query|message)\b|第一个问题|最先问|首先问",
    re.IGNORECASE,
)
_SINGLE = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"\s*(?:[{_SINGLE}]|[^\W{_SINGLE}]+|[^\w\s])|\s+")

_LONG_SENTENCE = "This is a long answer."
_EMOJI = "你好，世界！👋🌍 一家人 👨\u200d👩\u200d👧\u200d👦，旗帜 🇨🇳，e\u0301 与 𠮷 字。"
_MARKDOWN = (
    "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('hi')\n```\n\n- data: not an event\n\n"
    'data: {"event": "message", "answer": "fake"}\n\nevent: ping\n\n"quoted" \\ back\u2028sep\u0085next\n'
)
_FIXED_ANSWERS = {
    "empty": "",
    "md": _MARKDOWN,
    "emoji": _EMOJI,
    "slow": " ".join([_LONG_SENTENCE] * 40),
    "long": " ".join([_LONG_SENTENCE] * 67),
}
# The recorded model said whole sentences at a time (recorded: 1.14.2/chat-stream-output-moderated).
_FORBIDDEN = (*["A fine start. "] * 14, "Then comes the word FORBIDDENWORD. ", *["And it goes on. "] * 10)
_WITHDRAWN = "This answer was withdrawn. 此回答已撤回。"
_PRESET = "I cannot talk about that input."
_THOUGHT = "<think>\nThe user asks. I consider 1 < 2.\n</think>\n\n"

# The wording of model errors belongs to the model, not to Dify.
_SERVER_ERROR = (
    '[models] ServerUnavailable Error, API request failed with status code 500: {"error": {"message": '
    '"stub model failure: internal server error", "type": "server_error", "code": null}}'
)
_CUT_STREAM = "[models] Connection Error, Response ended prematurely"


class ModelFailure(Exception):
    """The model refused or broke off; the text is what Dify passes on."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier turn of the conversation; a turn that was lost or failed has an empty answer."""

    query: str
    answer: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool by an agent, and what came of it.

    Attributes:
        is_search: Whether the tool is the knowledge base, so that its segments become citations.
    """

    name: str
    labels: Mapping[str, str]
    arguments: Mapping[str, Any]
    observation: str
    is_search: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model: the tokens it says and, in an agent, the tool it then uses."""

    tokens: tuple[str, ...]
    call: ToolCall | None = None

    @property
    def text(self) -> str:
        """The whole text of the step."""
        return "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class Failure:
    """When the model fails and what it says of it."""

    after_tokens: int
    message: str


@dataclass(frozen=True, slots=True)
class Script:
    """All that the model does in one turn.

    Attributes:
        token_s: The least time between two tokens, in seconds.
        withdrawn: What output moderation puts in the answer's place, once all of it is said.
        preset: What input moderation says; the model is not asked at all.
    """

    steps: tuple[Step, ...]
    token_s: float = 0.0
    failure: Failure | None = None
    withdrawn: str | None = None
    preset: str | None = None


def tokens(text: str) -> tuple[str, ...]:
    """Cut a text into words with the space before them, punctuation marks and single CJK characters."""
    return tuple(_TOKEN.findall(text))


def tags_in(query: str) -> frozenset[str]:
    """Return what the tags in the query ask for."""
    return frozenset(match[1] or match[2] for match in _TAG.finditer(query))


def without_tags(query: str) -> str:
    """Return the query without the tags, each taken out with one space beside it."""
    return _TAG.sub("", query)


def name_of(query: str) -> str:
    """Return the name that the model finds for a conversation, from its first query."""
    return f"About: {without_tags(query)}"


def next_questions(sources: Sequence[Hit], documents: Iterable[str]) -> list[str]:
    """Return what the model would have the user ask next.

    Args:
        sources: What the knowledge base had to the last question.
        documents: The names of all documents.

    Returns:
        Three questions, about those documents first that the last answer rests on.
    """
    told = [hit.segment.document_name for hit in sources]
    names = list(dict.fromkeys([*told, *documents]))[:_SUGGESTIONS]
    return [f"What else does {name} say?" for name in names]


def answer_script(
    query: str,
    history: Sequence[Exchange],
    sources: Sequence[Hit],
    inputs: Mapping[str, Any],
    files: Sequence[str] = (),
) -> Script:
    """Decide what the model of a chat app or chatflow says.

    Args:
        query: The user's question, tags included.
        history: The earlier turns, oldest first.
        sources: What the knowledge base has to the question, best first.
        inputs: The app variables of the turn.
        files: The names of the files that came with the question.

    Returns:
        A script of one step.
    """
    return _script(query, (Step(tokens(_answer(query, history, sources, inputs, files))),))


def agent_script(
    query: str,
    history: Sequence[Exchange],
    sources: Sequence[Hit],
    inputs: Mapping[str, Any],
    *,
    now: str,
    files: Sequence[str] = (),
) -> Script:
    """Decide what the model of an agent app does.

    Args:
        query: The user's question, tags included.
        history: The earlier turns, oldest first.
        sources: What the knowledge tool would find; the agent calls it only if there is something.
        inputs: The app variables of the turn.
        now: What the tool `current_time` says.
        files: The names of the files that came with the question.

    Returns:
        A script of two steps if a tool is used, otherwise of one.
    """
    if tags_in(query) & CALLS_TOOL:
        told_time = Step(tokens(f"The tool says: {now}"))
        return _script(query, (Step(tokens("Let me check. "), _current_time(now)), told_time))
    final = Step(tokens(_answer(query, history, sources, inputs, files)))
    if "draw" in tags_in(query):
        return _script(query, (Step(tokens("Let me draw. "), _drawing(query)), final))
    if sources and answers_from_sources(query):
        return _script(query, (Step((), _knowledge_tool(query, sources)), final))
    return _script(query, (final,))


def answers_from_sources(query: str) -> bool:
    """Whether nothing in the query makes the model ignore what the knowledge base has."""
    return not (tags_in(query) - _USUAL) and not _ASKS_FOR_FIRST_QUESTION.search(query)


def _script(query: str, steps: tuple[Step, ...]) -> Script:
    tags = tags_in(query)
    failure = None
    if "fail" in tags:
        failure = Failure(0, _SERVER_ERROR)
    elif "failmid" in tags:
        failure = Failure(6, _CUT_STREAM)
    return Script(
        (Step(_FORBIDDEN),) if "bad" in tags else steps,
        SLOW_TOKEN_S if "slow" in tags else 0.0,
        failure,
        withdrawn=_WITHDRAWN if "bad" in tags else None,
        preset=_PRESET if "badinput" in tags else None,
    )


def _answer(
    query: str,
    history: Sequence[Exchange],
    sources: Sequence[Hit],
    inputs: Mapping[str, Any],
    files: Sequence[str],
) -> str:
    tags, rest = tags_in(query), without_tags(query)
    if "echo" in tags:
        return rest
    if "inputs" in tags:
        return json.dumps(dict(inputs), ensure_ascii=False)
    for tag, text in _FIXED_ANSWERS.items():
        if tag in tags:
            return text
    known = f"You sent {', '.join(files)}." if files else _known(rest, history, sources)
    schema = None if _speaks_words(tags, history) else schema_in(rest)
    if schema is not None:
        usual = json.dumps(instance(schema, known if sources else f"Turn {len(history) + 1}."), ensure_ascii=False)
    else:
        usual = f"Turn {len(history) + 1}. {known}"
    return _THOUGHT + usual if "think" in tags else usual


def _speaks_words(tags: frozenset[str], history: Sequence[Exchange]) -> bool:
    return bool(tags & {"prose", "neverjson"}) or any("neverjson" in tags_in(turn.query) for turn in history)


def _known(question: str, history: Sequence[Exchange], sources: Sequence[Hit]) -> str:
    if _ASKS_FOR_FIRST_QUESTION.search(question):
        if not history:
            return "This is your first question."
        return f'You asked first: "{history[0].query}"'
    if sources:
        best = sources[0].segment
        return f"From {best.document_name}: {best.content}"
    return f"I found nothing about: {question}"


def _current_time(now: str) -> ToolCall:
    labels = {
        "zh_Hans": "获取当前时间",
        "en_US": "Current Time",
        "pt_BR": "Current Time",
        "ja_JP": "Current Time",
    }
    return ToolCall("current_time", labels, {}, now)


def _drawing(query: str) -> ToolCall:
    labels = {"en_US": "Draw", "zh_Hans": "画图"}
    return ToolCall("draw", labels, {"prompt": without_tags(query)}, "The picture was drawn.")


def _knowledge_tool(query: str, sources: Sequence[Hit]) -> ToolCall:
    # recorded: 1.14.2/agent-stream-knowledge-tool-hq
    name = "dataset_" + sources[0].segment.dataset_id.replace("-", "_")
    found = "\n".join(hit.segment.content for hit in sources)
    return ToolCall(name, {"en_US": name, "zh_Hans": name}, {"query": without_tags(query)}, found, is_search=True)
