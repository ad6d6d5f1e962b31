"""The conversation rides on the answers, and only what is new is sent."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_chatbots import ChatDify
from remote_chatbots import BotNotFoundError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import KINDS, MakeModel, conversation, summed

FIRST = HumanMessage("When does the ferry leave?")
SECOND = HumanMessage("What did I ask first?")


def sent(emulator: Emulator, user: str) -> list[dict[str, object]]:
    """Return the bodies of the questions that a user sent."""
    bodies = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    return [body for body in bodies if isinstance(body, dict) and body.get("user") == user]


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_turn_sends_one_message_and_the_first_turns_id(
    emulator: Emulator, make_model: MakeModel, kind: str
) -> None:
    model = make_model(kind)
    first = model.invoke([FIRST])
    second = model.invoke([FIRST, first, SECOND])
    assert "When does the ferry leave?" in second.text
    assert conversation(second) == conversation(first)
    bodies = sent(emulator, model.user)
    assert [body["query"] for body in bodies] == [FIRST.content, SECOND.content]
    assert [body["conversation_id"] for body in bodies] == ["", conversation(first)]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_streamed_answer_continues_as_well(emulator: Emulator, make_model: MakeModel, kind: str) -> None:
    model = make_model(kind)
    first = summed([chunk async for chunk in model.astream([FIRST])])
    second = summed(list(model.stream([FIRST, first, SECOND])))
    v3 = await (await model.astream_events([FIRST, first, SECOND, second, SECOND], version="v3"))
    assert conversation(first) == conversation(second) == conversation(v3)
    assert [body["query"] for body in sent(emulator, model.user)] == [FIRST.content, SECOND.content, SECOND.content]


def test_an_answer_in_v1_form_continues(make_model: MakeModel) -> None:
    model = make_model(output_version="v1")
    first = model.invoke([FIRST])
    assert isinstance(first.content, list)
    assert conversation(model.invoke([FIRST, first, SECOND])) == conversation(first)


def test_call_bind_config_history_and_constructor_rule_in_this_order(emulator: Emulator, make_model: MakeModel) -> None:
    begun = [conversation(make_model().invoke([FIRST])) for _ in range(4)]
    own = make_model().invoke([FIRST])
    model = make_model(conversation_id=begun[0])
    in_config = {"configurable": {"conversation_id": begun[1]}}
    assert conversation(model.invoke([SECOND])) == begun[0]
    assert conversation(model.invoke([FIRST, own, SECOND])) == conversation(own)
    assert conversation(model.invoke([FIRST, own, SECOND], in_config)) == begun[1]
    assert conversation(model.bind(conversation_id=begun[2]).invoke([SECOND], in_config)) == begun[2]
    bound = model.bind(conversation_id=begun[2])
    assert conversation(bound.invoke([SECOND], in_config, conversation_id=begun[3])) == begun[3]
    assert conversation(model.invoke([SECOND], conversation_id="")) not in begun


async def test_the_config_reaches_every_way_of_asking(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model()
    config = {"configurable": {"user": f"{model.user}-2", "inputs": {"guest": "Ola"}}}
    model.invoke("1", config)
    await model.ainvoke("2", config)
    list(model.stream("3", config))
    [_ async for _ in model.astream("4", config)]
    list(model.stream_events("5", config, version="v3"))
    [_ async for _ in model.astream_events("6", config, version="v2")]
    await (await model.astream_events("7", config, version="v3"))
    model.batch(["8"], config)
    bodies = sent(emulator, f"{model.user}-2")
    assert [body["query"] for body in bodies] == list("12345678")
    assert all(body["inputs"] == {"guest": "Ola"} for body in bodies)
    assert sent(emulator, model.user) == []


def test_inputs_per_call_are_laid_over_those_of_the_model(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model(inputs={"guest": "Ola", "notes": "window seat"})
    model.invoke("Hello", inputs={"guest": "Kari"})
    assert sent(emulator, model.user)[-1]["inputs"] == {"guest": "Kari", "notes": "window seat"}


def test_a_system_message_is_sent_when_it_changes_and_only_then(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model()
    brief, long = SystemMessage("Be brief."), SystemMessage("Be long.")
    first = model.invoke([brief, FIRST])
    second = model.invoke([brief, FIRST, first, SECOND])
    third = model.invoke([long, FIRST, first, SECOND, second, FIRST])
    model.invoke([long, FIRST, first, SECOND, second, FIRST, third, SECOND])
    assert [body["query"] for body in sent(emulator, model.user)] == [
        "Be brief.\n\nWhen does the ferry leave?",
        "What did I ask first?",
        "Be long.\n\nWhen does the ferry leave?",
        "What did I ask first?",
    ]


def test_a_system_message_fills_the_apps_variable_every_turn(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model(system_input="notes")
    system = SystemMessage("Be brief.")
    first = model.invoke([system, FIRST])
    model.invoke([system, FIRST, first, SECOND])
    bodies = sent(emulator, model.user)
    assert [body["query"] for body in bodies] == [FIRST.content, SECOND.content]
    assert [body["inputs"] for body in bodies] == [{"notes": "Be brief."}] * 2


def test_a_history_without_own_answers_seeds_a_new_conversation(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model()
    model.invoke([FIRST, AIMessage("At nine, said another bot."), SECOND])
    assert sent(emulator, model.user)[-1]["query"] == (
        "user: When does the ferry leave?\n\nassistant: At nine, said another bot.\n\nuser: What did I ask first?"
    )


def test_two_bots_in_one_history_never_exchange_conversations(make_model: MakeModel) -> None:
    chat, agent = make_model("chat"), make_model("agent-chat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the agent's first look at a history of another bot
        one = chat.invoke([FIRST])
        two = agent.invoke([FIRST, one, SECOND])
    three = chat.invoke([FIRST, one, SECOND, two, HumanMessage("And then?")])
    assert conversation(three) == conversation(one) != conversation(two)


def test_a_history_of_another_key_draws_a_warning(make_model: MakeModel) -> None:
    old = make_model("chat").invoke([FIRST])
    with pytest.warns(UserWarning, match="none of this bot"):
        make_model("agent-chat").invoke([FIRST, old, SECOND])
    rotated = make_model("chat", bot_id=old.response_metadata["bot"])
    assert conversation(rotated.invoke([FIRST, old, SECOND])) == conversation(old)


def test_one_model_serves_many_users_at_once_without_cross_talk(make_model: MakeModel) -> None:
    model = make_model()

    def talk(n: int) -> str:
        asked = HumanMessage(f"My number is {n}.")
        first = model.invoke([asked], user=f"{model.user}-{n}")
        return model.invoke([asked, first, SECOND], user=f"{model.user}-{n}").text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(talk, range(24)))
    assert [f'"My number is {n}."' in answer for n, answer in enumerate(answers)] == [True] * 24


async def test_many_tasks_of_one_loop_do_not_cross_talk(make_model: MakeModel) -> None:
    model = make_model()

    async def talk(n: int) -> str:
        asked = HumanMessage(f"My number is {n}.")
        first = await model.ainvoke([asked], user=f"{model.user}-{n}")
        pieces = [chunk async for chunk in model.astream([asked, first, SECOND], user=f"{model.user}-{n}")]
        return str(summed(pieces).text)

    answers = await asyncio.gather(*(talk(n) for n in range(40)))
    assert [f'"My number is {n}."' in answer for n, answer in enumerate(answers)] == [True] * 40


def test_another_users_conversation_is_not_found(make_model: MakeModel) -> None:
    first = make_model().invoke([FIRST])
    with pytest.raises(BotNotFoundError):
        make_model().invoke([FIRST, first, SECOND], user="somebody else")


def test_nothing_new_is_a_usage_error_and_nothing_is_sent(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model()
    first = model.invoke([FIRST])
    with pytest.raises(BotUsageError, match="nothing new"):
        model.invoke([FIRST, first])
    assert len(sent(emulator, model.user)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_langgraph_thread_continues_its_conversation(emulator: Emulator, make_model: MakeModel, kind: str) -> None:
    model = make_model(kind)
    graph = StateGraph(MessagesState)
    graph.add_node("bot", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "bot")
    app = graph.compile(checkpointer=InMemorySaver())
    anna, bob = ({"configurable": {"thread_id": name}} for name in ("anna", "bob"))
    app.invoke({"messages": [FIRST]}, anna)
    app.invoke({"messages": [HumanMessage("Is the museum open?")]}, bob)
    state = app.invoke({"messages": [SECOND]}, anna)
    assert "When does the ferry leave?" in state["messages"][-1].text
    assert [body["query"] for body in sent(emulator, model.user)][-1] == SECOND.content


def test_the_config_of_a_graph_reaches_a_model_that_nobody_passes_it_to(
    emulator: Emulator, make_model: MakeModel
) -> None:
    model = make_model()
    graph = StateGraph(MessagesState)
    graph.add_node("bot", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "bot")
    user = f"{model.user}-in-config"
    graph.compile().invoke({"messages": [FIRST]}, {"configurable": {"user": user}})
    assert len(sent(emulator, user)) == 1


def test_a_chain_and_a_batch_work(make_model: MakeModel) -> None:
    chain = ChatPromptTemplate.from_template("{question}") | make_model() | StrOutputParser()
    answers = chain.batch([{"question": "When does the ferry leave?"}, {"question": "[[echo]]two"}])
    assert "9:00" in answers[0]
    assert "two" in answers[1]


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: str, **kwargs: object) -> None:
        self.seen.append(token)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_token_reaches_the_callback_once(make_model: MakeModel, kind: str) -> None:
    model = make_model(kind)
    handlers = [Tokens() for _ in range(4)]
    texts = [
        str(summed(list(model.stream([FIRST], {"callbacks": [handlers[0]]}))).text),
        str(summed([c async for c in model.astream([FIRST], {"callbacks": [handlers[1]]})]).text),
        model.model_copy(update={"streaming": True}).invoke([FIRST], {"callbacks": [handlers[2]]}).text,
        make_model(kind, streaming=True).invoke([FIRST], {"callbacks": [handlers[3]]}).text,
    ]
    assert ["".join(handler.seen) for handler in (handlers[0], handlers[1], handlers[3])] == [
        texts[0], texts[1], texts[3],
    ]  # fmt: skip


def test_the_model_keeps_nothing_of_a_turn(make_model: MakeModel) -> None:
    model = make_model()
    before = model.model_dump()
    model.invoke([FIRST])
    assert model.model_dump() == before
    assert isinstance(model, ChatDify)
