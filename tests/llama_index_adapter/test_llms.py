"""What an answer holds, and that the conversation rides on it."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from llama_index_chatbots import Dify, source_nodes
from remote_chatbots import (
    BotAuthError,
    BotNotFoundError,
    BotRateLimitError,
    BotServerError,
    BotUsageError,
    DifyApp,
)
from remote_chatbots.emulator import Emulator, TooManyRequests
from remote_chatbots.errors import ToolsRefusedError
from tests.llama_index_adapter.asking import AGAIN, KINDS, QUESTION, MakeLLM, sent, told, user


async def every_way(llm: Dify) -> dict[str, Any]:
    """Return the last response of each of the eight methods; each begins a conversation of its own."""
    asked = [user(QUESTION)]
    return {
        "chat": llm.chat(asked),
        "achat": await llm.achat(asked),
        "stream_chat": list(llm.stream_chat(asked))[-1],
        "astream_chat": [response async for response in await llm.astream_chat(asked)][-1],
        "complete": llm.complete(QUESTION),
        "acomplete": await llm.acomplete(QUESTION),
        "stream_complete": list(llm.stream_complete(QUESTION))[-1],
        "astream_complete": [response async for response in await llm.astream_complete(QUESTION)][-1],
    }


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_is_the_same_however_it_is_asked_for(make_llm: MakeLLM, kind: str) -> None:
    answers = await every_way(make_llm(kind))
    texts = {way: getattr(answer, "text", None) or answer.message.content for way, answer in answers.items()}
    assert "9:00" in texts["chat"]
    assert texts == dict.fromkeys(answers, texts["chat"])
    for way, answer in answers.items():
        known = answer.additional_kwargs if "complete" in way else told(answer)
        assert known["bot"].startswith("dify:127.0.0.1:"), way
        assert [len(known[name]) for name in ("conversation_id", "message_id", "task_id")] == [36] * 3, way
        assert known["finish_reason"] == "stop", way
        assert answer.raw["usage"]["total_tokens"] == answer.additional_kwargs["total_tokens"] > 0, way
        assert answer.raw["usage"]["total_price"], way
        assert [node.get_content() for node in source_nodes(answer)] == [
            resource["content"] for resource in answer.raw["retriever_resources"]
        ], way


@pytest.mark.parametrize("kind", KINDS)
async def test_the_second_turn_sends_one_message_and_the_first_turns_id(
    emulator: Emulator, make_llm: MakeLLM, kind: str
) -> None:
    llm = make_llm(kind)
    first = llm.chat([user(QUESTION)])
    second = await llm.achat([user(QUESTION), first.message, user(AGAIN)])
    third = list(llm.stream_chat([user(QUESTION), first.message, user(AGAIN), second.message, user("And?")]))[-1]
    assert QUESTION in (second.message.content or "")
    assert {told(answer)["conversation_id"] for answer in (first, second, third)} == {told(first)["conversation_id"]}
    bodies = sent(emulator, llm.user)
    assert [body["query"] for body in bodies] == [QUESTION, AGAIN, "And?"]
    assert bodies[1]["conversation_id"] == told(first)["conversation_id"]


def test_an_answer_that_was_written_down_continues(make_llm: MakeLLM) -> None:
    llm = make_llm()
    first = llm.chat([user(QUESTION)])
    again = ChatMessage.model_validate_json(first.message.model_dump_json())
    second = llm.chat([user(QUESTION), again, user(AGAIN)])
    assert told(second)["conversation_id"] == told(first)["conversation_id"]
    assert source_nodes(again)


def test_an_answer_of_another_llm_is_sent_as_a_transcript(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    llm.chat([user("Hi"), ChatMessage(role="assistant", content="Hello."), user("Rain?")])
    assert sent(emulator, llm.user)[-1]["query"] == "user: Hi\n\nassistant: Hello.\n\nuser: Rain?"


def test_call_history_and_constructor_rule_in_this_order(make_llm: MakeLLM) -> None:
    begun = [told(make_llm().chat([user(QUESTION)]))["conversation_id"] for _ in range(2)]
    own = make_llm().chat([user(QUESTION)])
    llm = make_llm(conversation_id=begun[0])
    history = [user(QUESTION), own.message, user(AGAIN)]
    assert told(llm.chat([user(AGAIN)]))["conversation_id"] == begun[0]
    assert told(llm.chat(history))["conversation_id"] == told(own)["conversation_id"]
    assert told(llm.chat(history, conversation_id=begun[1]))["conversation_id"] == begun[1]


def test_a_system_message_is_put_before_the_question_when_it_is_new(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    system = ChatMessage(role="system", content="Be brief.")
    first = llm.chat([system, user("Hi")])
    llm.chat([system, user("Hi"), first.message, user("Rain?")])
    assert [body["query"] for body in sent(emulator, llm.user)] == ["Be brief.\n\nHi", "Rain?"]


def test_user_inputs_and_files_of_a_call_are_sent(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm(inputs={"guest": "Ola", "room": "1"})
    llm.chat([user("Hi")], user=f"{llm.user}-2", inputs={"room": "2"})
    (body,) = sent(emulator, f"{llm.user}-2")
    assert body["inputs"] == {"guest": "Ola", "room": "2"}


@pytest.mark.parametrize("stop", ["three", ["three", "nowhere"]])
async def test_stop_sequences_end_the_text_before_them(make_llm: MakeLLM, stop: Any) -> None:
    whole = make_llm().complete("[[echo]]one two three four").text
    assert make_llm().complete("[[echo]]one two three four", stop=stop).text == whole.partition("three")[0]
    answer = await make_llm(stop=["three"]).acomplete("[[echo]]one two three four")
    assert answer.text == whole.partition("three")[0]


def test_withdrawn_text_is_replaced_and_the_reader_is_told(make_llm: MakeLLM) -> None:
    responses = list(make_llm(coalesce=False).stream_chat([user("[[bad]] Tell me")]))
    (moment,) = [response for response in responses if response.additional_kwargs.get("replaced")]
    assert len(responses) > responses.index(moment) > 0
    assert responses[0].message.content not in (moment.message.content or "")
    assert responses[-1].message.content == moment.message.content == moment.delta
    assert told(responses[-1])["replaced"] is True
    assert "replaced" not in told(responses[0])
    assert make_llm().chat([user("[[bad]] Tell me")]).message.content == moment.message.content


def test_the_blocking_form_gives_one_whole_response(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm(streaming=False)
    responses = list(llm.stream_chat([user(QUESTION)]))
    assert "9:00" in (responses[0].message.content or "")
    assert sent(emulator, llm.user)[-1]["response_mode"] == "blocking"


def test_a_token_counter_counts_what_the_server_counted(make_llm: MakeLLM) -> None:
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 10**6)  # would be used if the server had not counted
    llm = make_llm(callback_manager=CallbackManager([counter]))
    usage = llm.chat([user(QUESTION)]).additional_kwargs
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (
        usage["prompt_tokens"], usage["completion_tokens"],
    )  # fmt: skip
    list(llm.stream_complete(QUESTION))
    assert counter.total_llm_token_count == 2 * usage["total_tokens"]


# Refusals


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFY_API_KEY", "DIFY_BASE_URL", "DIFY_API_BASE", "DIFY_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "near"), [("usr", "user"), ("conversationid", "conversation_id")])
async def test_a_misspelt_argument_names_the_nearest(make_llm: MakeLLM, name: str, near: str) -> None:
    llm = make_llm()
    pattern = f"{name} is no argument.*Did you mean {near}"
    with pytest.raises(BotUsageError, match=pattern):
        llm.chat([user("Hi")], **{name: "x"})
    with pytest.raises(BotUsageError, match=pattern):
        llm.stream_complete("Hi", **{name: "x"})
    with pytest.raises(BotUsageError, match=pattern):
        await llm.astream_chat([user("Hi")], **{name: "x"})
    with pytest.raises(BotUsageError, match=pattern):
        make_llm(**{name: "x"})


def test_tools_are_refused_with_the_reason(make_llm: MakeLLM) -> None:
    with pytest.raises(ToolsRefusedError, match="calls its own tools"):
        make_llm().chat([user("Hi")], tools=[{"type": "function"}])
    assert not make_llm().metadata.is_function_calling_model


@pytest.mark.usefixtures("_no_environment")
def test_no_key_and_no_user_anywhere_name_the_ways_to_give_them(emulator: Emulator) -> None:
    with pytest.raises(BotUsageError, match=r"api_key.*DIFY_API_KEY"):
        Dify(user="anna")
    llm = Dify(api_key=emulator.dify_key, base_url=emulator.dify_url)
    with pytest.raises(BotUsageError, match=r"user=… to the call, to the model's constructor, or in DIFY_USER"):
        llm.complete("Hi")


def test_the_environment_gives_what_is_not_given(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", emulator.dify_key)
    monkeypatch.delenv("DIFY_BASE_URL", raising=False)
    monkeypatch.setenv("DIFY_API_BASE", emulator.dify_url)
    monkeypatch.setenv("DIFY_USER", "anna")
    assert Dify().complete("[[echo]]hello").text
    assert Dify(api_base="http://127.0.0.1:9").base_url == "http://127.0.0.1:9"


def test_an_error_is_typed_and_told_before_anything_streams(make_llm: MakeLLM) -> None:
    with pytest.raises(BotAuthError):
        make_llm(api_key="app-wrong").complete("Hi")
    with pytest.raises(BotNotFoundError):
        next(make_llm().stream_complete("Hi", conversation_id="00000000-0000-4000-8000-000000000000"))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_in_mid_stream_has_the_text_so_far(make_llm: MakeLLM, kind: str) -> None:
    llm = make_llm(kind)
    seen: list[str] = []

    async def read() -> None:
        async for response in await llm.astream_complete("[[failmid]] Tell me"):
            seen.append(response.text)

    with pytest.raises(BotServerError) as awaited:
        await read()
    with pytest.raises(BotServerError) as streamed:
        list(llm.stream_chat([user("[[failmid]] Tell me")]))
    with pytest.raises(BotServerError) as chatted:
        llm.chat([user("[[failmid]] Tell me")])
    assert seen[-1] == awaited.value.partial_text == streamed.value.partial_text == chatted.value.partial_text
    assert awaited.value.conversation_id


def test_a_file_that_the_server_can_fetch_goes_along(emulator: Emulator, make_llm: MakeLLM) -> None:
    from llama_index.core.base.llms.types import ImageBlock, TextBlock

    llm = make_llm("chat-image")
    url = f"{emulator.dify_url.removesuffix('/v1')}/sky.png"
    llm.chat([user([TextBlock(text="[[echo]]What is this?"), ImageBlock(url=url)])])
    assert sent(emulator, llm.user)[-1]["files"] == [{"type": "image", "transfer_method": "remote_url", "url": url}]


async def test_a_rate_limiter_is_asked_before_each_call(make_llm: MakeLLM) -> None:
    class Limiter:
        def __init__(self) -> None:
            self.asked = 0

        def acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

        async def async_acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

    limiter = Limiter()
    llm = make_llm(rate_limiter=limiter)
    llm.complete("Hi")
    list(llm.stream_chat([user("Hi")]))
    await llm.achat([user("Hi")])
    assert limiter.asked == 3


def test_a_server_that_puts_a_question_off_is_told_apart(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm(max_retries=0)
    emulator.faults.add(TooManyRequests(), user=llm.user)
    with pytest.raises(BotRateLimitError) as caught:
        llm.complete("Hi")
    assert caught.value.retryable


def test_two_llms_and_a_client_name_the_bot_alike(make_llm: MakeLLM) -> None:
    llm = make_llm()
    answer = llm.chat([user("Hi")])
    assert told(answer)["bot"] == DifyApp(llm.api_key.get_secret_value(), llm.base_url).bot_id
