"""Answers are rated, graded and followed up by whatever names them: in both frameworks, on both platforms."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from llama_index.core.llms import ChatMessage

from langchain_chatbots import ChatDify, ChatGPTBots, RemoteChatMessageHistory
from llama_index_chatbots import Dify, GPTBots, RemoteChatEngine, RemoteMemory, RemoteQueryEngine
from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotError,
    BotNotFoundError,
    BotRejectedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
)
from remote_chatbots.emulator import Emulator
from tests.contract.faces import PLATFORMS, reached

FERRY = "When does the ferry leave?"
MODELS: dict[tuple[str, str], Any] = {
    ("langchain", "dify"): ChatDify,
    ("langchain", "gptbots"): ChatGPTBots,
    ("llama_index", "dify"): Dify,
    ("llama_index", "gptbots"): GPTBots,
}
Tell = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02) as running:
        yield running


@pytest.fixture(params=MODELS, ids="-".join)
def model(emulator: Emulator, request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param](**reached(request.param[1], emulator))


@pytest.fixture(params=["sync", "async"])
def tell(request: pytest.FixtureRequest) -> Tell:
    """Call a method of a model or an engine, or its async twin: `tell(model.feedback, …)`."""

    def called(method: Any, *arguments: Any, **named: Any) -> Any:
        if request.param == "sync":
            return method(*arguments, **named)
        return asyncio.run(getattr(method.__self__, f"a{method.__name__}")(*arguments, **named))

    return called


def answer_of(model: Any, **call: Any) -> Any:
    if isinstance(model, (ChatDify, ChatGPTBots)):
        return model.invoke(FERRY, **call)
    return model.chat([ChatMessage(FERRY)], **call)


def told(answer: Any) -> dict[str, Any]:
    if isinstance(answer, AIMessage):
        return answer.response_metadata
    message = answer if isinstance(answer, ChatMessage) else answer.message
    return message.additional_kwargs


def rating_of(model: Any, answer: Any, user: str = "anna") -> Any:
    history = model._sync_client().history(told(answer)["conversation_id"], user=user)
    return next(one.rating for one in history if one.role == "assistant")


def test_an_answer_is_rated_and_the_rating_taken_back(model: Any, tell: Tell) -> None:
    answer = answer_of(model)
    for rating in ("like", "dislike", None, None):
        tell(model.feedback, answer, rating)
        assert rating_of(model, answer) == rating


def test_follow_ups_are_suggested(model: Any, tell: Tell) -> None:
    questions = tell(model.suggestions, answer_of(model))
    assert len(questions) == 3
    assert all(isinstance(one, str) for one in questions)


def test_an_answer_is_graded_where_the_platform_does_so(emulator: Emulator, model: Any, tell: Tell) -> None:
    answer = answer_of(model)
    if model.platform == "gptbots":
        tell(model.quality, answer, "FULLY_RESOLVED")
        graded = [one.body for one in emulator.requests if one.path.endswith("/quality")][-1]
        assert graded == {"answer_id": told(answer)["message_id"], "quality": "FULLY_RESOLVED"}
        with pytest.raises(BotUsageError, match=r"^gptbots: grade must be one of"):
            tell(model.quality, answer, "GOOD")
    else:
        with pytest.raises(BotUsageError, match=r"^dify: there is no call for 'quality'"):
            tell(model.quality, answer, "FULLY_RESOLVED")


def test_words_go_with_a_rating_where_the_platform_takes_them(emulator: Emulator, model: Any, tell: Tell) -> None:
    answer = answer_of(model)
    if model.platform == "dify":
        tell(model.feedback, answer, "dislike", "It leaves at nine.")
        sent = [one.body for one in emulator.requests if one.path.endswith("/feedbacks")][-1]
        assert sent == {"rating": "dislike", "content": "It leaves at nine.", "user": "anna"}
    else:
        with pytest.raises(BotUsageError, match="takes no comment"):
            tell(model.feedback, answer, "dislike", "It leaves at nine.")


def test_who_asked_is_read_from_the_answer(model: Any, tell: Tell) -> None:
    answer = answer_of(model, user="bert")
    assert told(answer)["user"] == "bert"
    assert "user" not in told(answer_of(model))
    assert "user" not in told(answer_of(model, user="anna"))
    tell(model.feedback, answer, "like")
    assert rating_of(model, answer, "bert") == "like"
    assert tell(model.suggestions, answer)
    if model.platform == "dify":
        with pytest.raises(BotNotFoundError, match="as the user"):
            tell(model.feedback, answer, "like", user="carl")


def test_an_id_an_answer_and_an_error_of_a_broken_turn_name_it_as_well(
    emulator: Emulator, model: Any, tell: Tell
) -> None:
    answer = answer_of(model)
    bots: dict[str, Any] = {"dify": DifyApp, "gptbots": GPTBotsAgent}
    bot = bots[model.platform](*(reached(model.platform, emulator)[key] for key in ("api_key", "base_url")))
    with BotClient(bot, user="anna") as client:
        whole = client.ask(FERRY)
        stored = client.history(whole.conversation_id)[-1]
    broken = BotError("x", message_id=whole.message_id)
    for named in (told(answer)["message_id"], whole, stored, broken):
        tell(model.feedback, named, "like")
        assert tell(model.suggestions, named)
    assert rating_of(model, answer) == "like"


def test_clients_take_the_answer_in_the_place_of_its_id(emulator: Emulator) -> None:
    for platform in PLATFORMS:
        bots: dict[str, Any] = {"dify": DifyApp, "gptbots": GPTBotsAgent}
        bot = bots[platform](*(reached(platform, emulator)[key] for key in ("api_key", "base_url")))
        with BotClient(bot, user="anna") as client:
            answer = client.ask(FERRY)
            client.feedback(answer, "like")
            assert client.suggestions(answer) == client.suggestions(answer.message_id)
            with pytest.raises(BotUsageError, match=rf"^{platform}: this list names no answer"):
                client.feedback([], "like")  # type: ignore[arg-type]

        async def asked(bot: Any = bot) -> Any:
            async with AsyncBotClient(bot, user="anna") as client:
                answer = await client.ask(FERRY)
                await client.feedback(answer, "dislike")
                return (await client.history(answer.conversation_id))[-1].rating

        assert asyncio.run(asked()) == "dislike"


def test_what_names_no_answer_of_this_bot_is_refused_before_anything_is_sent(
    emulator: Emulator, model: Any, tell: Tell
) -> None:
    answer = answer_of(model)
    stranger = AIMessage("Hello.", response_metadata={"bot": "dify:elsewhere:0", "message_id": "m-1"})
    if not isinstance(model, (ChatDify, ChatGPTBots)):
        stranger = ChatMessage(role="assistant", content="Hello.", additional_kwargs=stranger.response_metadata)  # type: ignore[assignment]
    before = len(emulator.requests)
    for message, why in ((stranger, "another bot"), (HumanMessage("Hi"), "names no answer"), ("", "an id is missing")):
        with pytest.raises(BotUsageError, match=rf"^{model.platform}: .*{why}"):
            tell(model.feedback, message, "like")
    with pytest.raises(BotUsageError, match=rf"^{model.platform}: rating must be"):
        tell(model.feedback, answer, "great")
    assert len(emulator.requests) == before


def test_chunks_and_messages_of_the_servers_history_name_their_answer(emulator: Emulator, tell: Tell) -> None:
    for platform in PLATFORMS:
        model = MODELS["langchain", platform](**reached(platform, emulator))
        chunks = list(model.stream(FERRY))
        total = chunks[0]
        for chunk in chunks[1:]:
            total += chunk
        texts = [chunk for chunk in chunks if chunk.text]
        for named in (total, texts[-1]):
            assert isinstance(named, AIMessageChunk)
            tell(model.feedback, named, "like")
        history = RemoteChatMessageHistory(model, conversation_id=total.response_metadata["conversation_id"])
        tell(model.feedback, history.messages[-1], "dislike")
        assert rating_of(model, total) == "dislike"


def test_langchains_id_of_a_run_is_not_taken_for_an_answers(emulator: Emulator, tell: Tell) -> None:
    model = ChatGPTBots(**reached("gptbots", emulator), api_version="v1")  # whose stream tells no id
    chunk = next(iter(model.stream(FERRY)))
    asked = len(emulator.requests)
    with pytest.raises(BotUsageError, match=r"^gptbots: this RemoteMessageChunk names no answer.*it is in the history"):
        tell(model.feedback, chunk, "like")
    assert len(emulator.requests) == asked


def test_who_asked_is_read_from_the_servers_history_as_well(emulator: Emulator, tell: Tell) -> None:
    chat = ChatDify(**reached("dify", emulator))
    answer = chat.invoke(FERRY, user="bert")
    held = told(answer)["conversation_id"]
    tell(chat.feedback, RemoteChatMessageHistory(chat, conversation_id=held, user="bert").messages[-1], "like")
    assert rating_of(chat, answer, "bert") == "like"
    llm = Dify(**reached("dify", emulator))
    tell(llm.feedback, RemoteMemory(llm, conversation_id=held, user="bert").get()[-1], "dislike")
    assert rating_of(chat, answer, "bert") == "dislike"


def test_refusals_are_langchains_errors_as_well(emulator: Emulator, tell: Tell) -> None:
    from langchain_core.exceptions import ModelInvalidRequestError, ModelNotFoundError

    model = ChatDify(**{**reached("dify", emulator), "api_key": emulator.key("chat-required")})
    answer = model.invoke(FERRY, inputs={"city": "Oslo"})
    cure = "Switch follow-up questions on in the app's features"
    with pytest.raises(BotRejectedError, match=rf"Suggested Questions Is Disabled\. {cure}") as refusal:
        tell(model.suggestions, answer)
    assert isinstance(refusal.value, ModelInvalidRequestError)
    with pytest.raises(ModelNotFoundError):
        tell(model.feedback, "00000000-0000-4000-8000-000000000000", "like")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_engines_rate_what_they_answered_and_what_their_memory_holds(
    emulator: Emulator, tell: Tell, platform: str
) -> None:
    llm = MODELS["llama_index", platform](**reached(platform, emulator))
    chat = RemoteChatEngine.from_llm(llm, user="bert")
    answer = chat.chat(FERRY)
    tell(chat.feedback, answer, "like")
    assert rating_of(llm, chat.chat_history[-1], "bert") == "like"
    tell(chat.feedback, chat.chat_history[-1], "dislike")
    stored = RemoteMemory(llm, conversation_id=chat.conversation_id, user="bert").get()[-1]
    tell(chat.feedback, stored, "like")
    assert rating_of(llm, chat.chat_history[-1], "bert") == "like"
    streamed = chat.stream_chat("And on Sundays?")
    "".join(streamed.response_gen)
    assert tell(chat.suggestions, streamed)
    queries = RemoteQueryEngine.from_llm(llm, user="bert")
    response = queries.query(FERRY)
    tell(queries.feedback, response, "like")
    assert tell(queries.suggestions, response)


def test_an_answer_is_spoken(emulator: Emulator, model: Any, tell: Tell) -> None:
    if model.platform == "dify":
        model = type(model)(**{**reached("dify", emulator), "api_key": emulator.key("chat-speech")})
    answer = answer_of(model, user="bert")
    speech = tell(model.speak, message=answer)
    said = answer.text if isinstance(answer, AIMessage) else answer.message.content
    assert model._sync_client().transcribe(speech.data, user="anna") == said
    assert tell(model.speak, message=told(answer)["message_id"]) == speech
    if model.platform == "dify":
        assert tell(model.speak, "Good morning.").mime_type == "audio/mpeg"
    with pytest.raises(BotUsageError, match=rf"^{model.platform}: .*message_id"):
        tell(model.speak)


def test_each_call_about_answers_has_its_async_twin() -> None:
    for kind in (ChatDify, Dify, RemoteChatEngine, RemoteQueryEngine):
        for name in ("feedback", "suggestions", "quality"):
            sync, async_ = inspect.signature(getattr(kind, name)), inspect.signature(getattr(kind, f"a{name}"))
            assert sync == async_
    assert inspect.signature(ChatDify.speak) == inspect.signature(ChatDify.aspeak)
