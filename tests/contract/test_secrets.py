"""The key and the headers of a caller are in nothing that is shown, kept, logged or told, whatever it is made of."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import pickle
import pprint
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import vcr
from langchain_core.load import dumps
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from llama_index.core.callbacks import CallbackManager
from pydantic import create_model

import langchain_chatbots as lc
import llama_index_chatbots as li
import remote_chatbots as core
from llama_index_chatbots.conformance.listening import CallbackListener, listening
from remote_chatbots import BotError, bulk
from remote_chatbots.cli.command import main
from remote_chatbots.emulator import Emulator
from tests.tracebacks import with_locals

KEY = "app-a-key-that-must-not-show"
HEADER = "gateway-secret-that-must-not-show"
URL = "https://bots.example"
HEADERS = {"X-Gateway": HEADER}
BOT = {"api_key": KEY, "base_url": URL, "default_headers": HEADERS}
MODEL = {**BOT, "user": "anna"}
FORM = create_model("Form", title=(str, ...))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("1.14", token_delay_s=0, held_open_s=0.01) as running:
        yield running


def chat() -> lc.ChatDify:
    return lc.ChatDify(**MODEL)


def llm() -> li.Dify:
    return li.Dify(**MODEL)


def app() -> core.DifyApp:
    return core.DifyApp(KEY, URL, headers=HEADERS)


def knowledge() -> core.DifyKnowledge:
    return core.DifyKnowledge(KEY, base_url=URL, headers=HEADERS)


MADE: dict[str, Callable[[], Any]] = {
    "DifyApp": app,
    "DifyKnowledge": knowledge,
    "GPTBotsAgent": lambda: core.GPTBotsAgent(KEY, URL, headers=HEADERS),
    "GPTBotsKnowledge": lambda: core.GPTBotsKnowledge(KEY, URL, headers=HEADERS),
    "BotClient": lambda: core.BotClient(app(), user="anna"),
    "AsyncBotClient": lambda: core.AsyncBotClient(app(), user="anna"),
    "KnowledgeClient": lambda: core.KnowledgeClient(knowledge()),
    "AsyncKnowledgeClient": lambda: core.AsyncKnowledgeClient(knowledge()),
    "a run": lambda: core.BotClient(app(), user="anna").stream("Hello"),
    "an async run": lambda: core.AsyncBotClient(app(), user="anna").stream("Hello"),
    "a request": lambda: next(app().ask(core.Question("Hello", user="anna"))),
    "BulkRun": lambda: bulk.aask_all(app(), ["Hello"], user="anna"),
    "ask_all": lambda: bulk.ask_all(app(), ["Hello"], user="anna"),
    "ChatDify": chat,
    "ChatGPTBots": lambda: lc.ChatGPTBots(**MODEL),
    "DifyRetriever": lambda: lc.DifyRetriever(**MODEL),
    "GPTBotsRetriever": lambda: lc.GPTBotsRetriever(**MODEL),
    "DifyKnowledgeRetriever": lambda: lc.DifyKnowledgeRetriever(**BOT, dataset_id="d-1"),
    "GPTBotsKnowledgeRetriever": lambda: lc.GPTBotsKnowledgeRetriever(**BOT),
    "RemoteChatMessageHistory": lambda: lc.RemoteChatMessageHistory(chat(), conversation_id="c-1"),
    "RemoteConversationLoader": lambda: lc.RemoteConversationLoader(chat()),
    "RemoteSpeechParser": lambda: lc.RemoteSpeechParser(chat()),
    "human_input_node": lambda: lc.human_input_node(chat()),
    "a tool of LangChain": lambda: chat().as_tool(name="ask"),
    "a bound model": lambda: chat().bind(user="otto"),
    "a model that tries again": lambda: chat().with_retry(),
    "a model with a fallback": lambda: chat().with_fallbacks([lc.ChatGPTBots(**MODEL)]),
    "a chain": lambda: chat() | (lambda message: message.text),
    "a model in a form": lambda: chat().with_structured_output(FORM),
    "a configurable model": lambda: chat().configurable_alternatives(ConfigurableField("m"), other=chat()),
    "Dify": llm,
    "GPTBots": lambda: li.GPTBots(**MODEL),
    "RemoteChatEngine": lambda: li.RemoteChatEngine.from_llm(llm()),
    "RemoteQueryEngine": lambda: li.RemoteQueryEngine.from_llm(llm()),
    "DifyRetriever of LlamaIndex": lambda: li.DifyRetriever(**MODEL),
    "GPTBotsRetriever of LlamaIndex": lambda: li.GPTBotsRetriever(**MODEL),
    "DifyKnowledgeRetriever of LlamaIndex": lambda: li.DifyKnowledgeRetriever(**BOT, dataset_id="d-1"),
    "GPTBotsKnowledgeRetriever of LlamaIndex": lambda: li.GPTBotsKnowledgeRetriever(**BOT),
    "RemoteMemory": lambda: li.RemoteMemory(llm(), conversation_id="c-1"),
    "RemoteChatStore": lambda: li.RemoteChatStore(llm()),
    "RemoteConversationReader": lambda: li.RemoteConversationReader(llm()),
    "RemoteSpeechReader": lambda: li.RemoteSpeechReader(llm()),
    "a tool of LlamaIndex": lambda: llm().as_tool(name="ask", description="Asks."),
    "a structured LLM": lambda: llm().as_structured_llm(FORM),
}  # fmt: skip
WRITTEN = ("model_dump", "model_dump_json", "asdict", "to_dict", "to_json", "to_payload", "dict", "json")


def shown(made: Any) -> Iterator[str]:
    """Yield all that programs write of an object, to be read or to be kept."""
    ways = [repr, pprint.pformat, str, lambda it: repr([it, {"it": it}]), lambda it: json.dumps(it, default=repr)]
    ways += [lambda it, name=name: repr(getattr(it, name)()) for name in WRITTEN if callable(getattr(made, name, None))]
    ways += [lambda it: repr(asdict(it))] if is_dataclass(made) else []
    for write in [*ways, dumps]:
        # What holds functions cannot be dumped, and the text of a history would be fetched.
        with contextlib.suppress(NotImplementedError, TypeError, ValueError, BotError):
            yield write(made)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the frameworks' older ways to write
@pytest.mark.parametrize("what", MADE)
async def test_nothing_that_is_made_shows_the_key_or_a_header(what: str) -> None:
    made = MADE[what]()
    told = list(shown(made))
    assert len(told) >= 4
    assert [one for one in told if KEY in one or HEADER in one] == []


def test_everything_that_holds_a_key_is_among_them() -> None:
    public = {name: getattr(package, name) for package in (core, lc, li, bulk) for name in package.__all__}
    holders = {"bot", "llm", "model", "api_key"}
    for name, one in public.items():
        if inspect.isclass(one) and not inspect.isabstract(one) and not issubclass(one, BaseException):
            arguments = set(inspect.signature(one).parameters) & holders if one.__init__ is not object.__init__ else ()
            assert not arguments or name in MADE or name in ABSTRACT, name


ABSTRACT = {"RemoteChatModel", "RemoteModelSettings", "RemoteRetriever", "RemoteKnowledgeRetriever", "RemoteLLM"}


class Tracer(BaseTracer):
    """Keeps what a tracing service is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """All that was logged, at any level and by any library, printed, and told to instrumentation."""
    caplog.set_level(logging.DEBUG)
    for name in ("", "urllib3", "aiohttp", "asyncio", "remote_chatbots", "langchain_core", "llama_index"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    with listening() as listener:

        def everything() -> str:
            events = "".join(f"{event!r} {event.model_dump()}" for event in listener.events)
            return f"{caplog.text}{[vars(record) for record in caplog.records]}{events}{capsys.readouterr()}"

        yield everything


def rendered(error: BaseException) -> str:
    """Return an error as loggers, pickles and renderers of tracebacks with locals show it; of frames, all but ours."""
    return f"{with_locals(error)}{error!r}{error}{vars(error)}{pickle.dumps(error)!r}{getattr(error, '__notes__', '')}"


def constructors() -> Iterator[Any]:
    """Yield, with its name, each public class that is made with a key."""
    for package in (core, lc, li):
        for name in package.__all__:
            one = getattr(package, name)
            # pydantic tells of a class that is not built yet what its parent takes.
            given = inspect.signature(one.__init__).parameters if inspect.isclass(one) and name not in ABSTRACT else ()
            if {"api_key", "fields"} & set(given):
                yield pytest.param(one, id=f"{package.__name__}.{name}")


REFUSED = {
    "an address that is none": {"base_url": "nowhere"},
    "an unknown argument": {"surprise": 1},
    "a key that is none": {"api_key": f"{KEY} \x01"},
    "a list for a key": {"api_key": [KEY]},
    "a header of two lines": {"headers": {"X-Gateway": f"{HEADER}\n"}},
    "a header that is no text": {"headers": {"X-Gateway": [HEADER]}},
    "headers that are a list": {"headers": [HEADER]},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=list(REFUSED))
@pytest.mark.parametrize("made", list(constructors()))
def test_what_cannot_be_made_shows_no_key_and_no_header(made: Any, wrong: dict[str, Any]) -> None:
    given = {"api_key": KEY, "base_url": URL, "headers": HEADERS, **wrong}
    if "headers" not in inspect.signature(made.__init__).parameters:
        given["default_headers"] = given.pop("headers")
    with pytest.raises((core.BotUsageError, TypeError)) as refused:
        made(**given)
    assert isinstance(refused.value, core.BotUsageError) or "surprise" in wrong
    shown = rendered(refused.value)
    assert "__init__" in shown
    assert not [secret for secret in (KEY, HEADER) if secret in shown]


CLIENTS = (core.BotClient, core.AsyncBotClient, core.KnowledgeClient, core.AsyncKnowledgeClient)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_is_given_a_key_for_a_bot_does_not_show_it(client: Any) -> None:
    with pytest.raises(core.BotUsageError) as refused:
        client(KEY)
    assert KEY not in rendered(refused.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the frameworks' older ways to write
@pytest.mark.parametrize(("made", "ask"), [(chat, "invoke"), (llm, "complete")])
def test_a_key_that_is_set_or_copied_as_a_plain_string_is_hidden_as_well(made: Callable[[], Any], ask: str) -> None:
    bot, newer = made(), f"{KEY}-2"
    bot.api_key = newer
    update = {"api_key": newer, "default_headers": HEADERS}
    copied = made().model_copy(update=update)
    assert bot.api_key.get_secret_value() == copied.api_key.get_secret_value() == newer
    assert not [one for told in (bot, copied) for one in shown(told) if KEY in one or HEADER in one]
    with pytest.raises(core.BotUsageError) as refused:
        getattr(made().model_copy(update={**update, "base_url": "nowhere"}), ask)("When does the ferry leave?")
    assert not [secret for secret in (KEY, HEADER) if secret in rendered(refused.value)]


@pytest.mark.parametrize(("made", "ask"), [(chat, "invoke"), (llm, "complete")])
def test_a_bot_that_cannot_be_made_any_more_shows_no_key_and_no_header(made: Callable[[], Any], ask: str) -> None:
    bot = made()
    with pytest.raises(core.BotUsageError) as refused:
        getattr(bot.model_copy(update={"base_url": "nowhere"}), ask)("When does the ferry leave?")
    shown = rendered(refused.value)
    assert "_known_now" in shown
    assert not [secret for secret in (KEY, HEADER) if secret in shown]


TAKE_A_BOT: dict[str, Callable[[str, Path], Any]] = {
    "ask_all": lambda key, path: bulk.ask_all(key, ["Hello"], user="anna"),
    "aask_all": lambda key, path: bulk.aask_all(key, ["Hello"], user="anna"),
    "export_conversations": lambda key, path: bulk.export_conversations(key, path, user="anna"),
    "aexport_conversations": lambda key, path: asyncio.run(bulk.aexport_conversations(key, path, user="anna")),
}


@pytest.mark.parametrize("take", TAKE_A_BOT.values(), ids=list(TAKE_A_BOT))
def test_a_key_where_a_bot_is_wanted_is_hidden(take: Callable[[str, Path], Any], tmp_path: Path) -> None:
    with pytest.raises(core.BotUsageError, match="must be a bot, not str") as refused:
        take(KEY, tmp_path / "file")
    assert KEY not in rendered(refused.value)


QUESTIONS = {"an answer": "When does the ferry leave?", "a failure": "[[failmid]] Tell me"}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))
@pytest.mark.parametrize("right", [True, False], ids=["right key", "wrong key"])
@pytest.mark.parametrize("platform", ["dify", "gptbots"])
def test_a_turn_tells_the_key_to_nobody(
    emulator: Emulator, told: Callable[[], str], platform: str, right: bool, question: str
) -> None:
    dify = platform == "dify"
    key = emulator.key("advanced-chat" if dify else "gptbots") if right else KEY
    fields: dict[str, Any] = {
        "api_key": key, "base_url": emulator.dify_url if dify else emulator.gptbots_url, "user": "anna",
        "default_headers": HEADERS, "max_retries": 0,
    }  # fmt: skip
    tracer, heard = Tracer(), CallbackListener()
    model = (lc.ChatDify if dify else lc.ChatGPTBots)(**fields)
    indexed = (li.Dify if dify else li.GPTBots)(**fields, callback_manager=CallbackManager([heard]))
    engine = li.RemoteChatEngine.from_llm(indexed)
    chain = model.bind(user="otto").with_config(callbacks=[tracer], metadata={"a": "b"})
    tool = model.as_tool(name="ask", description="Asks.")
    tool.callbacks = [tracer]
    asked = [
        lambda: chain.invoke(question),
        lambda: list(chain.stream(question)),
        lambda: asyncio.run(chain.ainvoke(question)),
        lambda: tool.invoke({"question": question}),
        lambda: engine.chat(question),
        lambda: list(engine.stream_chat(question).response_gen),
        lambda: asyncio.run(engine.achat(question)),
        lambda: core.BotClient(model._bot(), user="anna").ask(question),
    ]
    came = []
    for ask in asked:
        try:
            answer = ask()
            came.append(f"{answer!r}{pickle.dumps(answer)!r}{dumps(answer)}")
        except BotError as error:
            assert not right or question == QUESTIONS["a failure"]
            came.append(rendered(error))
    assert len(tracer.runs) == 4
    runs = "".join(f"{run.model_dump(mode='python', warnings=False)}{run.serialized}{run.error}" for run in tracer.runs)
    for one in (*came, runs, str(heard.payloads), told()):
        assert key not in one
        assert HEADER not in one


@pytest.mark.whole
@pytest.mark.parametrize("kind", [lc.DifyKnowledgeRetriever, li.DifyKnowledgeRetriever])
@pytest.mark.parametrize("right", [True, False], ids=["right key", "wrong key"])
def test_a_search_tells_the_key_to_nobody(emulator: Emulator, told: Callable[[], str], kind: Any, right: bool) -> None:
    key = emulator.dataset_key if right else "dataset-a-key-that-must-not-show"
    base = next(iter(emulator.datasets.values()))
    retriever = kind(api_key=key, base_url=emulator.dify_url, dataset_id=base, default_headers=HEADERS)
    tracer = Tracer()
    try:
        search = retriever.invoke if kind is lc.DifyKnowledgeRetriever else retriever.retrieve
        given = {"config": {"callbacks": [tracer]}} if kind is lc.DifyKnowledgeRetriever else {}
        came = repr(search("When does the ferry leave?", **given))
    except BotError as error:
        came = rendered(error)
    runs = "".join(f"{run.model_dump(mode='python', warnings=False)}{run.serialized}{run.error}" for run in tracer.runs)
    assert came
    for one in (came, runs, told()):
        assert key not in one
        assert HEADER not in one


@pytest.mark.parametrize("right", [True, False], ids=["right key", "wrong key"])
def test_what_long_work_and_the_command_write_holds_no_key(
    emulator: Emulator, told: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    key = emulator.key("chat") if right else KEY
    bot = core.DifyApp(key, emulator.dify_url, headers=HEADERS)
    outcomes = bulk.ask_all(bot, ["When does the ferry leave?"], user="anna", journal=tmp_path / "journal")
    with contextlib.suppress(BotError):
        bulk.write_rows(outcomes, tmp_path / "rows")
    with contextlib.suppress(BotError):
        bulk.export_conversations(bot, tmp_path / "export", user="anna")
    monkeypatch.setenv("DIFY_API_KEY", key)
    main(["doctor", "--base-url", emulator.dify_url, "--user", "anna", "--ask"])
    written = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert ("ferry" in written) or not right
    for one in (repr(outcomes), written, told()):
        assert key not in one
        assert HEADER not in one


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_cassette_with_its_filter_holds_no_key(emulator: Emulator, tmp_path: Path, colour: str) -> None:
    bot = core.DifyApp(emulator.key("chat"), emulator.dify_url, headers=HEADERS)
    with vcr.use_cassette(str(tmp_path / "kept.yaml"), filter_headers=["authorization", "x-gateway"]):
        if colour == "sync":
            answer = core.BotClient(bot, user="anna").ask("When does the ferry leave?")
        else:
            answer = asyncio.run(core.AsyncBotClient(bot, user="anna").ask("When does the ferry leave?"))
    kept = (tmp_path / "kept.yaml").read_text("utf-8")
    assert "ferry" in answer.text
    assert "When does the ferry leave?" in kept
    assert bot.api_key not in kept
    assert HEADER not in kept


def test_a_pickle_of_what_asks_carries_the_key_and_that_of_what_came_does_not() -> None:
    assert KEY.encode() in pickle.dumps(app())
    assert KEY.encode() in pickle.dumps(chat())
    assert KEY.encode() not in pickle.dumps(core.BotAuthError("dify: no"))
