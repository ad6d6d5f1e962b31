"""The emulator's life: when it listens, when it is gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, closing
from types import TracebackType
from typing import Self

from aiohttp import web

from . import town
from .apps import APPS
from .datasets import Datasets, Plan
from .dify_datasets import DatasetFace
from .dify_files import FileStore
from .dify_http import DifyFace
from .dify_stream import Timing
from .fault_registry import Faults
from .gptbots_agents import AGENTS
from .gptbots_http import PREFIX, GPTBotsFace
from .gptbots_library import Library
from .gptbots_state import AgentState
from .ids import Ids
from .knowledge import Knowledge
from .profiles import profile_named
from .received import ReceivedRequest
from .reception import Reception
from .state import State

_HOST = "127.0.0.1"
# Nothing is at work any more when aiohttp begins to wait for it.
_SHUTDOWN_S = 1.0


class Emulator:
    """A local Dify and GPTBots server for tests and demonstrations, on a free port of the loopback interface.

    Use it with `with` (a thread of its own) or with `async with` (the caller's event loop). Every entering
    starts an empty server. Ids, times and answers depend on nothing but the seed and the requests.

    Profiles, the ages of Dify's wire:

    * "1.14" (May 2026): compact UTF-8; chatflows run in a worker: a ping at once and never another, `message_end`
      before `workflow_finished`, errors of the beginning lost, the answer kept when the client leaves.
    * "0.15" (early 2025): spaced ASCII; everything runs in the request: a ping every 10 s of silence,
      `workflow_finished` before `message_end`, refusals at once, the answer lost when the client leaves; a
      conversation keeps its first inputs.
    * "2023": as the document of that spring has it: chat apps only, streams without names, conversation and end.

    GPTBots is spoken below `gptbots_url`, with the same model and the same knowledge, in two bases: conversations,
    messages of v1 and v2 (streaming and blocking), histories and lists, ratings, suggestions, citations, search,
    speech. Its forms are those of the published pages; where these are silent (HTTP status, the frames 5, 6, 36 and 41,
    errors in mid-stream) they are the emulator's choice. Dify's wire was compared with recordings of real servers. For
    GPTBots there are none: what works here proves nothing about that platform, nor does a recording of the emulator.
    Question and answer are in the history before the first frame comes.

    Each request that was answered is told, at level INFO, to the logger `remote_chatbots.emulator`.

    Faults, given to `faults.add` (modules `faults` and `gptbots_faults` say what each does):

    * another answer: `ErrorAt200`, `HtmlPage` (200, 502, 504), `TooManyRequests`, `Unavailable`, `JsonAnswer`;
    * other events or frames: `ErrorEvent`, `ReducedErrorEvent`, `EndEarly`, `DuplicateEnd`, `TextAfterEnd`,
      `HugeEvent`, `UnknownEvents`, `ExtraPings`, `CommentLines`;
    * other bytes, or the same at another time: `Cut`, `Reset`, `Hang`, `Trickle`, `Glue`, `CrLf`,
      `SplitCharacters`, `OneByteWrites`, `Gzip`, `WrongCharset`;
    * of GPTBots alone: `Framing` ("sse", "sse-nospace", "ndjson", "glued", "crlf"), `WrappedError` (-50000), `Stall`,
      `FlowOnly`, `FlowDuplicate`, `EmptyOutput`, `StringContent`, `SingleObjectMedia`, `LateAnswer`,
      `LateCitations`, `NumbersAsText`, `OldestFirst`, `ErrorsAt200`, `RateLimit`, `V2Missing`.

    Attributes:
        faults: What goes wrong, and when; nothing at first. It stays when the server stops.

    Example:
        >>> with Emulator() as emulator:
        ...     emulator.faults.add(Cut(after_bytes=500), times=1)
        ...     print(emulator.dify_url, emulator.dify_key)
    """

    def __init__(
        self,
        profile: str = "1.14",
        *,
        seed: int = 0,
        port: int = 0,
        token_delay_s: float = 0.01,
        held_open_s: float = 1.0,
        idle_limit_s: float = 300.0,
        ping_s: float = 10.0,
        form_lifetime_s: float = 3600.0,
        agent_credits: float = 1000.0,
        documents: Mapping[str, str] | None = None,
        metadata: Mapping[str, Mapping[str, str | int]] | None = None,
    ) -> None:
        """Describe the server; nothing is started yet.

        Args:
            profile: The age of Dify's wire: "2023", "0.15" or "1.14".
            seed: Changes all keys and ids.
            port: Where it listens. Default 0: the system chooses a free one.
            token_delay_s: Seconds between two pieces of text; 0 is as fast as possible.
            held_open_s: Seconds for which a chatflow's body stays open after its last event (1.14).
            idle_limit_s: Seconds after which a chatflow's stream that never began is closed (1.14).
            ping_s: Seconds of silence after which a ping is sent (0.15; 1.14 except by chatflows).
            form_lifetime_s: Seconds for which a form that a chatflow waits for can be submitted (1.14).
            agent_credits: What each agent of GPTBots may spend before it refuses (a short turn costs about 0.3).
            documents: Document name to text, in place of the built-in ones; blank lines separate segments.
            metadata: Document name to what is known of it, for searches that ask for metadata (1.14).

        Raises:
            ValueError: There is no such profile.
        """
        self._profile = profile_named(profile)
        self.faults = Faults()
        self._port = port
        self._timing = Timing(token_delay_s, held_open_s, idle_limit_s, ping_s)
        self._form_lifetime_s = form_lifetime_s
        self._agent_credits = agent_credits
        self._ids = Ids(seed)
        self._dataset = town.DATASET_NAME if documents is None else "documents"
        self._bases = town.BASES if documents is None else {self._dataset: tuple(documents)}
        self._documents = dict(town.DOCUMENTS if documents is None else documents)
        self._metadata = metadata or (town.METADATA if documents is None else {})
        self._plans = [Plan(self._dataset, self._documents), *(_FURTHER if documents is None else ())]
        self._received: list[ReceivedRequest] = []
        self._files: FileStore | None = None
        self._open = AsyncExitStack()
        self._runner: web.AppRunner | None = None
        self._thread: threading.Thread | None = None
        self._leave: Future[None] | None = None

    @property
    def dify_url(self) -> str:
        """The base URL, for example `http://127.0.0.1:43121/v1`.

        Raises:
            RuntimeError: The emulator is not running.
        """
        return f"{self._origin}/v1"

    @property
    def dify_key(self) -> str:
        """The key of the basic chat app."""
        return self.key("chat")

    @property
    def dataset_key(self) -> str:
        """The key of Dify's knowledge bases."""
        return self._ids.dataset_key()

    @property
    def datasets(self) -> dict[str, str]:
        """The ids of Dify's knowledge bases (0.15 and 1.14), by name.

        The first is what the apps search. With the built-in documents there are two more: "Around the harbour" has
        keywords alone, and in "Museum and tickets" sentences are found and the segments around them given.
        """
        return {plan.name: self._ids.uuid("dataset", plan.name) for plan in self._plans}

    @property
    def gptbots_url(self) -> str:
        """The base URL of the GPTBots face, for example `http://127.0.0.1:43121/gptbots`.

        Raises:
            RuntimeError: The emulator is not running.
        """
        return self._origin + PREFIX

    @property
    def gptbots_key(self) -> str:
        """The key of the question-answering agent."""
        return self.key("gptbots")

    @property
    def _origin(self) -> str:
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the emulator is not running: use it with `with` or `async with`")
        return _origin_of(self._runner)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """What was received so far, in order; a copy, safe to use from any thread."""
        return list(self._received)

    def forget_uploads(self) -> None:
        """Lose all files that were uploaded, as a server does that cleans up."""
        if self._files is not None:
            self._files.forget_all()

    @property
    def kinds(self) -> list[str]:
        """The kinds of apps and agents that `key` knows: Dify's first, then those of GPTBots."""
        return [*(app.name for app in APPS), *(agent.name for agent in AGENTS)]

    def key(self, kind: str) -> str:
        """Return the API key of an app or agent.

        Args:
            kind: Of Dify's apps "chat", "agent-chat", "advanced-chat", "chat-required", "advanced-chat-required" or
                "advanced-chat-booking" (whose form has a number, options and a default),
                "advanced-chat-form" (waits for a person; before 1.14 it is an "advanced-chat"), "chat-speech" (hears,
                and speaks its answers by itself), "chat-image", "agent-chat-image" (take images) or
                "advanced-chat-files" (takes files of all kinds);
                of GPTBots' agents "gptbots", "gptbots-flow" (components answer), "gptbots-text" (takes no pictures,
                suggests nothing), "gptbots-forgetful" (its short-term memory is off), "gptbots-api-off",
                "gptbots-no-credits" or "gptbots-deleted".

        Raises:
            ValueError: There is no such app.
        """
        if kind not in self.kinds:
            raise ValueError(f"no app {kind!r}; there are {', '.join(map(repr, self.kinds))}")
        return self._ids.app_key(kind)

    async def __aenter__(self) -> Self:
        """Start listening in the running event loop."""
        if self._runner is not None:
            raise RuntimeError("the emulator is running already")
        self._received = []
        async with AsyncExitStack() as opening:
            knowledge = opening.enter_context(closing(Knowledge(self._dataset, self._documents, self._ids)))
            files = FileStore(self._ids, self._profile.files)
            state = State(knowledge, self._ids, self._profile.rules, self._form_lifetime_s, files)
            face = DifyFace(state, self._ids, self._profile, self._timing)
            datasets = Datasets(knowledge, self._plans, self._metadata, self._ids)
            opening.callback(datasets.close)
            bases = DatasetFace(datasets, self._ids, self._profile, face)
            library = Library(knowledge, self._bases, self._ids)
            agents = GPTBotsFace(AgentState(library, self._ids, self._agent_credits), self._timing.token_delay_s)
            reception = Reception([agents, bases, face], self.faults, self._received)
            runner = web.AppRunner(reception.application(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
            opening.push_async_callback(_close, runner)
            await runner.setup()
            await web.TCPSite(runner, _HOST, self._port).start()
            files.origin = _origin_of(runner)
            self._files = files
            self._open = opening.pop_all()
        self._runner = runner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: turns that still run are cut off, connections are closed."""
        self._runner = None
        await self._open.aclose()

    def __enter__(self) -> Self:
        """Start listening in a thread with an event loop of its own."""
        if self._thread is not None:
            raise RuntimeError("the emulator is running already")
        listening: Future[None] = Future()
        self._leave = Future()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(listening, self._leave),), name="emulator", daemon=True
        )
        self._thread.start()
        try:
            listening.result()
        except BaseException:
            self._thread = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and wait for the thread."""
        assert self._thread is not None
        assert self._leave is not None
        self._leave.set_result(None)
        self._thread.join()
        self._thread = self._leave = None

    async def _serve(self, listening: Future[None], leave: Future[None]) -> None:
        try:
            async with self:
                listening.set_result(None)
                await asyncio.wrap_future(leave)
        except BaseException as error:
            if listening.done():
                raise
            listening.set_exception(error)


def _of_base(name: str) -> dict[str, str]:
    return {document: town.DOCUMENTS[document] for document in town.BASES[name]}


_FURTHER = (
    Plan("Around the harbour", _of_base("Around the harbour"), technique="economy"),
    Plan("Museum and tickets", _of_base("Museum and tickets"), in_children=True),
)


def _origin_of(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def _close(runner: web.AppRunner) -> None:
    await runner.cleanup()
    # Transports close their sockets one turn of the loop after they are told to.
    await asyncio.sleep(0)
