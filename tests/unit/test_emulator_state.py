"""The emulator's data and its pretend model, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from remote_chatbots.emulator import town
from remote_chatbots.emulator.apps import APPS, App
from remote_chatbots.emulator.dify_stream import Player, Timing
from remote_chatbots.emulator.ids import Ids
from remote_chatbots.emulator.knowledge import Knowledge
from remote_chatbots.emulator.model import Exchange, answer_script, tokens
from remote_chatbots.emulator.profiles import profile_named
from remote_chatbots.emulator.refusals import Refusal
from remote_chatbots.emulator.state import ChatRequest, State
from remote_chatbots.emulator.turn import Turn
from remote_chatbots.emulator.usage import usage

CHAT, AGENT, CHATFLOW, REQUIRED = APPS[0], APPS[1], APPS[2], APPS[3]


@pytest.fixture
def knowledge() -> Iterator[Knowledge]:
    base = Knowledge("town", town.DOCUMENTS, Ids(0))
    yield base
    base.close()


@pytest.fixture
def state(knowledge: Knowledge) -> State:
    return State(knowledge, Ids(0))


def ask(query: str, **fields: Any) -> ChatRequest:
    return ChatRequest(**{"query": query, "inputs": {}, "user": "ann", "streaming": True, **fields})


def events_of(turn: Turn) -> list[dict[str, Any]]:
    return list(profile_named("1.14").turn_events[turn.app.mode](turn))


def finish(state: State, app: App, request: ChatRequest) -> Turn:
    turn = state.begin(app, request)
    events_of(turn)
    state.end(turn)
    return turn


def said(query: str, history: list[Exchange] | None = None, inputs: Mapping[str, Any] | None = None) -> str:
    return answer_script(query, history or [], [], inputs or {}).steps[0].text


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("When does the ferry to Gull Island leave?", "ferry.md"),
        ("What does the harbour pass cover?", "tickets.md"),
        ("Is there a refund when a crossing is cancelled?", "refunds.md"),
        ("How many steps does the lighthouse have?", "lighthouse.md"),
        ("海事博物馆周一开门吗？", "游客指南.md"),
    ],
)
def test_the_best_segment_comes_from_the_document_that_the_question_is_about(
    knowledge: Knowledge, query: str, document: str
) -> None:
    assert knowledge.search(query)[0].segment.document_name == document


def test_scores_lie_between_0_and_1_and_fall(knowledge: Knowledge) -> None:
    scores = [hit.score for hit in knowledge.search("ferry crossing and museum ticket")]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


@pytest.mark.parametrize("query", ["Just say hello", "what did I ask first?", "", "?!", "[[slow]]"])
def test_common_words_alone_find_nothing(knowledge: Knowledge, query: str) -> None:
    assert knowledge.search(query) == []


@pytest.mark.parametrize(
    "query",
    ['ferry"', "ferry AND", "NEAR(ferry", "content:ferry", "ferry* -ferry ^ferry", "'ferry' OR NOT ("],
)
def test_no_text_is_taken_for_search_syntax(knowledge: Knowledge, query: str) -> None:
    assert knowledge.search(query)[0].segment.document_name == "ferry.md"


def test_a_question_of_twenty_thousand_words_is_searched(knowledge: Knowledge) -> None:
    assert knowledge.search(" ".join(f"word{n}" for n in range(20_000)) + " ferry")


def test_tokens_joined_are_the_text() -> None:
    text = " Don't  panic: 你好 — e\u0301 \n\n42%"
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize(
    "query",
    [
        "what did I ask first?",
        "What was my first question?",
        "What did I first ask you?",
        "我的第一个问题是什么？",
    ],
)
def test_the_first_question_is_quoted_when_asked_for(query: str) -> None:
    history = [Exchange("Where is the pier?", "There."), Exchange("And then?", "Then.")]
    assert said(query, history) == 'Turn 3. You asked first: "Where is the pier?"'


def test_what_is_not_known_is_repeated() -> None:
    assert said("Why is the sky blue?") == "Turn 1. I found nothing about: Why is the sky blue?"


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("[[echo]] two  spaces ", "two  spaces "),
        ("say it [[echo]]", "say it"),
        ("a [[echo]] b", "a b"),
        ("[[echo]][[slow]]x", "x"),
        ("[[echo]] [[unknown]] tag", "[[unknown]] tag"),
    ],
)
def test_echo_says_exactly_the_rest(query: str, rest: str) -> None:
    assert said(query) == rest


def test_inputs_can_be_seen() -> None:
    assert said("[[inputs]]", inputs={"city": "Bergen"}) == '{"city": "Bergen"}'


def test_the_long_answer_has_about_four_hundred_tokens() -> None:
    assert 380 < len(tokens(said("[[long]]"))) < 420


def test_prices_add_up() -> None:
    used = usage(812, 64)
    total = Decimal(used["prompt_price"]) + Decimal(used["completion_price"])
    assert Decimal(used["total_price"]) == total > 0
    exact = 812 * Decimal(used["prompt_unit_price"]) * Decimal(used["prompt_price_unit"])
    assert Decimal(used["prompt_price"]) == exact
    assert used["total_tokens"] == 876


def test_the_prompt_grows_with_the_history(state: State) -> None:
    first = state.begin(CHAT, ask("Where is the pier?"))
    used = [events_of(first)[-1]["metadata"]["usage"]["prompt_tokens"]]
    second = state.begin(CHAT, ask("Where?", conversation_id=first.message.conversation_id))
    used.append(events_of(second)[-1]["metadata"]["usage"]["prompt_tokens"])
    assert 0 < used[0] < used[1]


def test_another_users_conversation_looks_like_none(state: State) -> None:
    held = finish(state, CHAT, ask("hello")).message.conversation_id
    with pytest.raises(Refusal, match="Conversation Not Exists"):
        state.begin(CHAT, ask("hello", user="bob", conversation_id=held))


def test_ids_do_not_depend_on_what_other_users_do(knowledge: Knowledge) -> None:
    alone, crowded = State(knowledge, Ids(0)), State(knowledge, Ids(0))
    finish(crowded, CHAT, ask("hello", user="bob"))
    assert finish(alone, CHAT, ask("hi")).task_id == finish(crowded, CHAT, ask("hi")).task_id


def test_each_message_has_a_second_of_its_own(state: State) -> None:
    times = [finish(state, CHAT, ask("hi")).message.created_at for _ in range(3)]
    assert times == [times[0], times[0] + 1, times[0] + 2]


def test_inputs_change_with_the_turn_and_stay_with_the_conversation(state: State) -> None:
    first = finish(state, CHAT, ask("hi", inputs={"guest": "Ann", "stray": 1}))
    held = first.message.conversation_id
    second = finish(state, CHAT, ask("hi", inputs={"guest": "Bo"}, conversation_id=held))
    assert second.message.inputs == {"guest": "Bo", "notes": None}
    conversation = state.conversation(CHAT, "ann", held)
    assert conversation.inputs == {"guest": "Ann", "notes": None}
    assert conversation.introduction == "Welcome to Saltmouth, Ann!"


@pytest.mark.parametrize("inputs", [{}, {"city": ""}, {"city": None}])
def test_a_required_input_is_required_on_every_turn(state: State, inputs: dict[str, Any]) -> None:
    held = finish(state, REQUIRED, ask("hi", inputs={"city": "Bergen"})).message.conversation_id
    with pytest.raises(Refusal, match="city is required in input form"):
        state.begin(REQUIRED, ask("hi", inputs=inputs, conversation_id=held))


def test_a_stopped_chat_keeps_what_was_said(state: State) -> None:
    turn = state.begin(CHAT, ask("[[long]]"))
    events = profile_named("1.14").turn_events["chat"](turn)
    heard = [next(events)["answer"] for _ in range(3)]
    state.stop(CHAT, "ann", turn.task_id)
    assert next(events)["event"] == "message_end"
    assert turn.message.answer == "".join(heard)


@pytest.mark.parametrize(("app", "kept"), [(CHAT, False), (AGENT, False), (CHATFLOW, True)])
def test_only_a_chatflow_keeps_the_answer_that_nobody_read(state: State, app: App, kept: bool) -> None:
    turn = state.begin(app, ask("When does the ferry leave?"))
    turn.abandoned = True
    events_of(turn)
    assert bool(turn.message.answer) is kept
    assert turn.message.status == "normal"


def test_an_agent_keeps_the_thoughts_of_a_lost_answer(state: State) -> None:
    # recorded: 1.14.2/disconnect-agent-messages-late
    turn = state.begin(AGENT, ask("[[long]]"))
    turn.abandoned = True
    events_of(turn)
    assert (turn.message.answer, turn.message.thoughts[0].text[:4]) == ("", "This")


def test_an_agents_answer_is_its_steps_on_lines_of_their_own(state: State) -> None:
    turn = finish(state, AGENT, ask("[[time]]"))
    assert turn.message.answer == "Let me check. \nThe tool says: 2026-01-01 09:00:01"


def test_an_agent_cites_what_its_knowledge_tool_found(state: State) -> None:
    turn = state.begin(AGENT, ask("When does the ferry leave?"))
    events = events_of(turn)
    assert events[-1]["metadata"]["retriever_resources"][0]["document_name"] == "ferry.md"
    assert [event["tool"][:8] for event in events if event["event"] == "agent_thought"] == [
        "",
        "dataset_",
        "dataset_",
        "",
        "",
    ]


@pytest.mark.parametrize("app", [CHAT, AGENT, CHATFLOW])
def test_a_failed_turn_stays_in_the_history_without_its_text(state: State, app: App) -> None:
    turn = finish(state, app, ask("Tell me [[failmid]]"))
    assert (turn.message.status, turn.message.answer) == ("error", "")
    again = state.begin(app, ask("Again", conversation_id=turn.message.conversation_id))
    assert again.history == [Exchange("Tell me [[failmid]]", "")]


class _Listener:
    """A reader that counts the signs of life before each flush."""

    is_gone = False

    def __init__(self) -> None:
        self.pings = 0
        self.events: list[dict[str, Any]] = []

    def take(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    async def flush(self) -> None:
        pass

    async def ping(self) -> None:
        self.pings += 1


@pytest.mark.parametrize(("app", "pings"), [(CHAT, True), (AGENT, True), (CHATFLOW, False)])
def test_silence_brings_pings_except_from_a_chatflow(state: State, app: App, pings: bool) -> None:
    listener = _Listener()
    player = Player(profile_named("1.14"), Timing(0.02, 0, 0, ping_s=0.01))
    asyncio.run(player.play(state.begin(app, ask("[[empty]]")), listener))
    assert (listener.pings > 0) is pings
