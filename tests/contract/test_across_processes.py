"""What pickles goes to a process that knows nothing of us, and works there, or tells there what it told here."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import langchain_chatbots as lc
import llama_index_chatbots as li
from remote_chatbots import AsyncBotClient, BotClient, BotFormatError, DifyApp, DifyKnowledge, KnowledgeClient
from remote_chatbots.bulk import ask_all
from remote_chatbots.emulator import Emulator
from tests.forks import Forks, succeeded

QUESTION = "When does the ferry leave?"
# In the other process: unpickle, do what is asked for, pickle what came of it.
THERE = """
import pickle, sys
held = pickle.load(sys.stdin.buffer)
came = eval(sys.argv[1], {"held": held, "QUESTION": sys.argv[2]})
pickle.dump((came, type(held).__module__), sys.stdout.buffer)
"""


There = Callable[[Any, str], Any]


@pytest.fixture
def there(frameworks: Forks) -> There:
    """`there(held, done)` is what comes of an expression about `held` in a new process."""

    def there(held: Any, done: str) -> Any:
        came, module = pickle.loads(succeeded(frameworks.run(THERE, done, QUESTION, said=pickle.dumps(held))))
        assert module == type(held).__module__
        return came

    return there


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def bots(emulator: Emulator) -> dict[str, tuple[Any, str]]:
    """Return all that asks a bot or a knowledge base, and how it is asked for the text of what it finds."""
    app = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "across"}
    agent = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url, "user": "across"}
    datasets = list(emulator.datasets.values())
    known = {"api_key": emulator.dataset_key, "base_url": emulator.dify_url, "dataset_id": datasets[:1]}
    graph = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}
    bare = DifyApp(emulator.dify_key, emulator.dify_url)
    search = DifyKnowledge(emulator.dataset_key, emulator.dify_url, datasets[:1])
    return {
        "BotClient": (BotClient(bare, user="across"), "held.ask(QUESTION).text"),
        "AsyncBotClient": (
            AsyncBotClient(bare, user="across"),
            "__import__('asyncio').run(held.ask(QUESTION)).text",
        ),
        "KnowledgeClient": (KnowledgeClient(search), "held.retrieve(QUESTION)[0].content"),
        "ChatDify": (lc.ChatDify(**app), "held.invoke(QUESTION).text"),
        "ChatGPTBots": (lc.ChatGPTBots(**agent), "held.invoke(QUESTION).text"),
        "lc.DifyRetriever": (lc.DifyRetriever(**app), "held.invoke(QUESTION)[0].page_content"),
        "lc.DifyKnowledgeRetriever": (lc.DifyKnowledgeRetriever(**known), "held.invoke(QUESTION)[0].page_content"),
        "lc.GPTBotsKnowledgeRetriever": (
            lc.GPTBotsKnowledgeRetriever(**graph),
            "held.invoke(QUESTION)[0].page_content",
        ),
        "Dify": (li.Dify(**app), "held.complete(QUESTION).text"),
        "GPTBots": (li.GPTBots(**agent), "held.complete(QUESTION).text"),
        "lc.GPTBotsRetriever": (
            lc.GPTBotsRetriever(**agent, fetch_sources=True),
            "held.invoke(QUESTION)[0].page_content",
        ),
        "li.DifyRetriever": (li.DifyRetriever(**app), "held.retrieve(QUESTION)[0].text"),
        "li.GPTBotsRetriever": (li.GPTBotsRetriever(**agent, fetch_sources=True), "held.retrieve(QUESTION)[0].text"),
        "RemoteChatEngine": (li.RemoteChatEngine.from_llm(li.Dify(**app)), "held.chat(QUESTION).response"),
        "RemoteQueryEngine": (li.RemoteQueryEngine.from_llm(li.Dify(**app)), "held.query(QUESTION).response"),
        "li.DifyKnowledgeRetriever": (li.DifyKnowledgeRetriever(**known), "held.retrieve(QUESTION)[0].text"),
        "li.GPTBotsKnowledgeRetriever": (li.GPTBotsKnowledgeRetriever(**graph), "held.retrieve(QUESTION)[0].text"),
    }


BOTS = (
    "BotClient AsyncBotClient KnowledgeClient ChatDify ChatGPTBots lc.DifyRetriever lc.GPTBotsRetriever "
    "lc.DifyKnowledgeRetriever lc.GPTBotsKnowledgeRetriever Dify GPTBots RemoteChatEngine RemoteQueryEngine "
    "li.DifyRetriever li.GPTBotsRetriever li.DifyKnowledgeRetriever li.GPTBotsKnowledgeRetriever"
).split()


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_works_in_another_process(emulator: Emulator, there: There, name: str) -> None:
    held, done = bots(emulator)[name]
    assert "ferry" in there(held, done).lower()


@pytest.mark.parametrize("twin", [False, True])
def test_an_error_tells_in_another_process_what_it_told_here(emulator: Emulator, there: There, twin: bool) -> None:
    app = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "across"}
    asked = lc.ChatDify(**app) if twin else li.Dify(**app)
    with pytest.raises(Exception, match="dify") as caught:
        asked.invoke("[[failmid]] Tell me") if twin else asked.complete("[[failmid]] Tell me")
    told = there(caught.value, "(str(held), held.partial_text, held.conversation_id, held.retryable, held.http_status)")
    error = caught.value
    assert told == (str(error), error.partial_text, error.conversation_id, error.retryable, error.http_status)
    assert emulator.dify_key.encode() not in pickle.dumps(error)


def test_a_format_error_keeps_the_answer_it_is_about(there: There) -> None:
    error = BotFormatError("dify: no form.", platform="dify", partial_text="no object")
    assert there(error, "(str(held), held.partial_text)") == ("dify: no form.", "no object")


def test_an_answer_and_its_parts_are_equal_in_another_process(emulator: Emulator, there: There) -> None:
    with BotClient(DifyApp(emulator.key("agent-chat"), emulator.dify_url), user="across") as client:
        answer = client.ask(QUESTION)
    assert there(answer, "held") == answer
    assert emulator.key("agent-chat").encode() not in pickle.dumps(answer)


def test_a_chat_engine_goes_on_in_another_process_where_it_was(emulator: Emulator, there: There) -> None:
    app = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "engine"}
    engine = li.RemoteChatEngine.from_llm(li.Dify(**app))
    engine.chat(QUESTION)
    done = "(held.chat('What did I ask first?').response, held.conversation_id, len(held.chat_history))"
    said, conversation_id, length = there(engine, done)
    assert QUESTION in said
    assert (conversation_id, length) == (engine.conversation_id, 4)


def test_a_model_that_answers_in_a_form_does_so_in_another_process(emulator: Emulator, there: There) -> None:
    model = lc.ChatDify(api_key=emulator.dify_key, base_url=emulator.dify_url, user="form")
    schema = {"title": "Departure", "type": "object", "properties": {"pier": {"type": "integer"}}, "required": ["pier"]}
    assert isinstance(there(model.with_structured_output(schema), "held.invoke(QUESTION)")["pier"], int)


def test_what_the_server_keeps_is_read_in_another_process(emulator: Emulator, there: There) -> None:
    app = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "kept"}
    model, llm = lc.ChatDify(**app), li.Dify(**app)
    id_ = model.invoke(QUESTION).response_metadata["conversation_id"]
    history = lc.RemoteChatMessageHistory(model, conversation_id=id_)
    assert there(history, "[message.text for message in held.messages]")[0] == QUESTION
    assert QUESTION in there(lc.RemoteConversationLoader(model), "held.load()[0].page_content")
    assert QUESTION in there(li.RemoteConversationReader(llm), "held.load_data()[0].text")
    assert there(li.RemoteChatStore(llm), "held.get_keys()") == [id_]
    memory = li.RemoteMemory(llm, conversation_id=id_)
    assert there(memory, "[message.content for message in held.get_all()]")[0] == QUESTION


def test_a_recording_is_written_down_in_another_process(emulator: Emulator, there: There) -> None:
    app = {"api_key": emulator.key("chat-speech"), "base_url": emulator.dify_url, "user": "speech"}
    model = lc.ChatDify(**app)
    sound = model.speak(message=model.invoke("[[echo]]Good morning.")).data
    heard = f"held.load_data({sound!r})[0].text"
    assert there(li.RemoteSpeechReader(li.Dify(**app)), heard) == "Good morning."
    blob = f"__import__('langchain_core').documents.base.Blob.from_data({sound!r})"
    assert there(lc.RemoteSpeechParser(model), f"held.parse({blob})[0].page_content") == "Good morning."


def test_what_became_of_many_questions_is_told_in_another_process(emulator: Emulator, there: There) -> None:
    asked = [{"id": "1", "question": QUESTION}, {"id": "2", "question": "[[failmid]] Tell me"}]
    with BotClient(DifyApp(emulator.dify_key, emulator.dify_url), user="many") as client:
        outcomes = sorted(ask_all(client, asked), key=lambda outcome: outcome.row()["id"])
    assert [outcome.row()["status"] for outcome in outcomes] == ["answered", "failed"]
    assert there(outcomes, "[one.row() for one in held]") == [outcome.row() for outcome in outcomes]
    assert emulator.dify_key.encode() not in pickle.dumps(outcomes)
