"""The clients of knowledge bases on the emulator, through both drivers, in each age."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from remote_chatbots import (
    AsyncKnowledgeClient,
    BotAuthError,
    BotConnectError,
    BotError,
    BotNotFoundError,
    BotQuotaError,
    BotRejectedError,
    BotServerError,
    BotUsageError,
    DifyKnowledge,
    GPTBotsKnowledge,
    KnowledgeClient,
)
from remote_chatbots.emulator import Emulator, ErrorAt200, ErrorsAt200, Hang, HtmlPage
from remote_chatbots.protocol import KnowledgeProtocol
from tests.tracebacks import with_locals

AGES = ("0.15", "1.14")
BOTH = ("saltmouth-visitors", "Around the harbour")
FERRY = "When does the ferry to Gull Island leave?"
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0)) for age in AGES}


@pytest.fixture(params=AGES)
def emulator(emulators: dict[str, Emulator], request: pytest.FixtureRequest) -> Emulator:
    return emulators[request.param]


@pytest.fixture(params=["requests", "aiohttp"])
def ask(request: pytest.FixtureRequest) -> Call:
    """Make one call of a client of either colour: `ask(knowledge, "retrieve", …)`."""

    def sync(knowledge: KnowledgeProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        with KnowledgeClient(knowledge, timeout=5) as client:
            return getattr(client, name)(*arguments, **named)

    def through_a_loop(knowledge: KnowledgeProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        async def called() -> Any:
            async with AsyncKnowledgeClient(knowledge, timeout=5) as client:
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(called())

    return sync if request.param == "requests" else through_a_loop


def of(emulator: Emulator, *names: str, key: str = "") -> DifyKnowledge:
    ids = [emulator.datasets[name] for name in names]
    return DifyKnowledge(key or emulator.dataset_key, emulator.dify_url, ids)


def test_a_search_finds_passages_best_first(emulator: Emulator, ask: Call) -> None:
    found = ask(of(emulator, BOTH[0]), "retrieve", FERRY)
    assert (len(found), found[0].title) == (3, "ferry.md")
    assert "pier 3" in found[0].content
    assert [source.score for source in found] == sorted((source.score for source in found), reverse=True)
    assert {source.dataset_id for source in found} == {emulator.datasets[BOTH[0]]}
    assert len(ask(of(emulator, BOTH[0]), "retrieve", FERRY, k=1)) == 1


@pytest.mark.parametrize(("age", "score"), [("0.15", None), ("1.14", 0.0)])
def test_k_alone_leaves_the_search_as_the_base_is_set_up(
    emulators: dict[str, Emulator], ask: Call, age: str, score: float | None
) -> None:
    # By words, which have no score: it has no model.
    found = ask(of(emulators[age], BOTH[1]), "retrieve", FERRY, k=2)
    assert [source.score for source in found] == [score] * 2
    model = emulators[age].requests[-1].body["retrieval_model"]
    assert (model["search_method"], model["top_k"]) == ("keyword_search", 2)


def test_several_bases_give_rank_by_rank(emulator: Emulator, ask: Call) -> None:
    before = len(emulator.requests)
    found = ask(of(emulator, *BOTH), "retrieve", FERRY, k=3)
    # How the bases are set up is looked up once, not once for each.
    assert [request.method for request in emulator.requests[before:]] == ["GET", "POST", "POST"]
    ids = [emulator.datasets[name] for name in BOTH]
    assert [source.dataset_id for source in found] == [ids[0], ids[1], ids[0]]
    turned = ask(of(emulator), "retrieve", FERRY, k=3, dataset_id=ids[::-1])
    assert [source.dataset_id for source in turned] == [ids[1], ids[0], ids[1]]
    assert len({source.segment_id for source in found}) == 3


def test_if_one_base_fails_the_search_fails(emulator: Emulator, ask: Call) -> None:
    ids = [emulator.datasets[BOTH[0]], "00000000-0000-4000-8000-000000000000"]
    with pytest.raises(BotNotFoundError):
        ask(of(emulator), "retrieve", FERRY, dataset_id=ids)


def test_sentences_are_the_child_chunks_of_what_is_found(emulator: Emulator, ask: Call) -> None:
    (source,) = ask(of(emulator, "Museum and tickets"), "retrieve", "compass")
    assert [chunk["content"] in source.content for chunk in source.raw["child_chunks"]] == [True]


def test_conditions_filter_or_the_server_is_too_old_for_them(emulators: dict[str, Emulator], ask: Call) -> None:
    zh = [{"name": "lang", "comparison_operator": "is", "value": "zh"}]
    found = ask(of(emulators["1.14"], BOTH[0]), "retrieve", "museum 博物馆", metadata_filtering_conditions=zh)
    assert {(source.title, source.raw["doc_metadata"]["lang"]) for source in found} == {("游客指南.md", "zh")}
    with pytest.raises(BotRejectedError, match="searched without the conditions"):
        ask(of(emulators["0.15"], BOTH[0]), "retrieve", "museum 博物馆", metadata_filtering_conditions=zh)


def test_bases_and_documents_are_listed(emulator: Emulator, ask: Call) -> None:
    bases = ask(of(emulator), "knowledge_bases")
    assert {base.name: base.dataset_id for base in bases} == emulator.datasets
    assert len(ask(of(emulator), "knowledge_bases", limit=2)) == 2
    documents = ask(of(emulator), "documents", emulator.datasets[BOTH[1]])
    assert {document.name for document in documents} == {"harbour.md", "ferry.md", "lighthouse.md", "游客指南.md"}
    assert {document.status for document in documents} == {"completed"}
    with pytest.raises(BotUsageError, match="limit must be"):
        ask(of(emulator), "documents", emulator.datasets[BOTH[1]], limit=-1)
    with pytest.raises(BotUsageError, match="an id is missing"):
        ask(of(emulator), "documents", "")


REFUSED: list[tuple[str, dict[str, Any], type[BotError], str]] = [
    ("app", {}, BotAuthError, "api_key is an app's"),
    ("dataset-of-nobody", {}, BotAuthError, "Check api_key"),
    (
        "",
        {"dataset_id": "00000000-0000-4000-8000-000000000000"},
        BotNotFoundError,
        "no knowledge base .*knowledge_bases",
    ),
    ("", {"dataset_id": "no-uuid"}, BotNotFoundError, "no knowledge base 'no-uuid'"),
    ("", {"dataset_id": "economy", "search_method": "hybrid_search"}, BotRejectedError, "model"),
]


@pytest.mark.parametrize(("key", "options", "kind", "words"), REFUSED)
def test_a_refusal_is_typed_and_says_what_to_do(
    emulator: Emulator, ask: Call, key: str, options: dict[str, Any], kind: type[BotError], words: str
) -> None:
    key = emulator.dify_key if key == "app" else key
    given = {**options, "dataset_id": emulator.datasets[BOTH[1]]} if options.get("dataset_id") == "economy" else options
    with pytest.raises(kind, match=words) as caught:
        ask(of(emulator, BOTH[0], key=key), "retrieve", FERRY, **given)
    assert (key or emulator.dataset_key) not in f"{caught.value!r}{caught.value}"


def test_troubles_on_the_way_are_typed(emulators: dict[str, Emulator], ask: Call) -> None:
    emulator = emulators["1.14"]
    knowledge = of(emulator, BOTH[0])
    limit = "Sorry, you have reached the knowledge base request rate limit of your subscription."
    for fault, kind in (
        (HtmlPage(502), BotServerError),
        (ErrorAt200(status=403, code="forbidden", message=limit), BotQuotaError),
    ):
        emulator.faults.add(fault, path="*/retrieve")
        with pytest.raises(kind):
            ask(knowledge, "retrieve", FERRY)
    with pytest.raises(BotConnectError):
        ask(DifyKnowledge("dataset-x", "http://127.0.0.1:9", "x"), "retrieve", FERRY)


async def test_several_bases_are_asked_at_once_in_a_loop(emulators: dict[str, Emulator]) -> None:
    emulator = emulators["1.14"]
    async with AsyncKnowledgeClient(of(emulator, *BOTH), timeout=5) as client:
        await client.retrieve(FERRY)
        for _ in BOTH:
            emulator.faults.add(Hang(before_head=True, for_s=1.0), path="*/retrieve")
        begun = asyncio.get_running_loop().time()
        assert await client.retrieve(FERRY)
        assert asyncio.get_running_loop().time() - begun < 1.8


async def test_a_cancelled_search_leaves_no_task(emulators: dict[str, Emulator]) -> None:
    emulator = emulators["1.14"]
    async with AsyncKnowledgeClient(of(emulator, *BOTH), timeout=5) as client:
        for _ in BOTH:
            emulator.faults.add(Hang(before_head=True, for_s=0.5), path="*/retrieve")
        searching = asyncio.ensure_future(client.retrieve(FERRY))
        await asyncio.sleep(0.1)
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching
        assert not [task for task in asyncio.all_tasks() if "_found" in repr(task)]


def test_a_pickle_of_a_client_works_and_nothing_else_shows_the_key(emulator: Emulator) -> None:
    client = KnowledgeClient(of(emulator, BOTH[0]))
    assert emulator.dataset_key not in f"{client!r}{client}"
    with pickle.loads(pickle.dumps(client)) as again:
        assert again.retrieve(FERRY)
    with pytest.raises(BotUsageError, match="knowledge must be"):
        KnowledgeClient(DifyKnowledge)  # type: ignore[arg-type]


def test_no_local_of_ours_shows_the_key_where_a_search_fails(emulators: dict[str, Emulator], ask: Call) -> None:
    emulator = emulators["1.14"]
    key = "dataset-a-key-that-must-not-show"
    for knowledge in (of(emulator, BOTH[0], key=key), GPTBotsKnowledge(key, emulator.gptbots_url)):
        with pytest.raises(BotAuthError) as caught:
            ask(knowledge, "retrieve", "What is it?")
        frames = with_locals(caught.value, "/remote_chatbots/")
        assert frames
        assert key not in frames


def test_an_agents_refusal_under_http_200_is_typed_as_well(emulators: dict[str, Emulator], ask: Call) -> None:
    emulator = emulators["1.14"]
    emulator.faults.add(ErrorsAt200(), path="*/vector/match", times=2)
    with pytest.raises(BotAuthError):
        ask(GPTBotsKnowledge("app-wrong", emulator.gptbots_url), "retrieve", FERRY)
    with pytest.raises(BotNotFoundError):
        ask(GPTBotsKnowledge(emulator.key("gptbots-deleted"), emulator.gptbots_url), "retrieve", FERRY)


def test_an_agents_knowledge_is_searched_and_listed(emulators: dict[str, Emulator], ask: Call) -> None:
    emulator = emulators["1.14"]
    knowledge = GPTBotsKnowledge(emulator.gptbots_key, emulator.gptbots_url)
    found = ask(knowledge, "retrieve", FERRY, k=2, doc_correlation=0.1)
    assert [source.title for source in found] == ["ferry.md"] * 2
    bases = {base.name: base.dataset_id for base in ask(knowledge, "knowledge_bases")}
    documents = {one.name: one.document_id for one in ask(knowledge, "documents", bases["Museum and tickets"])}
    assert set(documents) == {"museum.md", "tickets.md", "refunds.md"}
    within = ask(knowledge, "retrieve", "museum ticket ferry", k=20, group_ids=bases["Museum and tickets"])
    assert {source.document_id for source in within} == set(documents.values())
    only = ask(knowledge, "retrieve", "museum ticket ferry", k=20, data_ids=[documents["museum.md"]])
    assert {source.title for source in only} == {"museum.md"}
    with pytest.raises(BotRejectedError, match="Name fewer documents"):
        ask(knowledge, "retrieve", FERRY, data_ids=[str(number) for number in range(11)])
    with pytest.raises(BotAuthError):
        ask(GPTBotsKnowledge("app-wrong", emulator.gptbots_url), "retrieve", FERRY)
    with pytest.raises(BotNotFoundError):
        ask(GPTBotsKnowledge(emulator.key("gptbots-deleted"), emulator.gptbots_url), "retrieve", FERRY)
