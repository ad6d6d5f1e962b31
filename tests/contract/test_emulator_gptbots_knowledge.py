"""Knowledge, ratings and speech on the GPTBots side of the emulator."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.gptbots_asking import (
    FERRY,
    UNKNOWN_ID,
    answer_in,
    bearer,
    conversation,
    get,
    post,
    send_v1,
    send_v2,
)

NOTHING = "I found nothing about"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def base_ids(emulator: Emulator) -> list[str]:
    return [each["id"] for each in get(emulator, "/v1/bot/knowledge/base/page").json()["knowledge_base"]]


def document_ids(emulator: Emulator) -> dict[str, str]:
    pages = [
        get(emulator, "/v1/bot/doc/query/page", knowledge_base_id=base, page=1, page_size=100).json()
        for base in base_ids(emulator)
    ]
    return {document["name"]: document["id"] for page in pages for document in page["list"]}


def named(emulator: Emulator, scope: dict[str, Any]) -> dict[str, Any]:
    """Return a scope with names put for ids: documents by their names, bases by their numbers."""
    documents, bases = document_ids(emulator), base_ids(emulator)
    return {
        key: [documents[each] if key == "data_ids" else bases[each] for each in names] for key, names in scope.items()
    }


def answer(emulator: Emulator, text: str = FERRY, **settings: Any) -> str:
    answer_id = send_v2(emulator, text, mode="blocking", **settings).json()["message_id"]
    assert isinstance(answer_id, str)
    return answer_id


SCOPES = [
    ({}, True),
    ({"data_ids": []}, False),
    ({"data_ids": ["ferry.md"]}, True),
    ({"data_ids": ["tickets.md"]}, False),
    ({"group_ids": [0]}, True),
    ({"group_ids": [1]}, False),
    ({"data_ids": ["tickets.md"], "group_ids": [0]}, True),
    ({"data_ids": ["ferry.md"], "group_ids": [1]}, True),
    ({"data_ids": [], "group_ids": []}, False),
    ({"group_ids": []}, False),
]


@pytest.mark.parametrize(("scope", "finds"), SCOPES)
def test_the_scope_of_v2_is_absent_empty_or_a_union(emulator: Emulator, scope: dict[str, Any], finds: bool) -> None:
    settings = {"knowledge": named(emulator, scope)} if scope else {}
    text = answer_in(send_v2(emulator, FERRY, mode="blocking", **settings))
    assert ("ferry.md" in text) == finds


@pytest.mark.parametrize(("scope", "finds"), [each for each in SCOPES if "group_ids" not in each[0]])
def test_the_scope_of_v1_is_absent_empty_or_filled(emulator: Emulator, scope: dict[str, Any], finds: bool) -> None:
    settings = {"knowledge": named(emulator, scope)} if scope else {}
    text = send_v1(emulator, FERRY, response_mode="blocking", **settings).json()["text"]
    assert ("ferry.md" in text) == finds


@pytest.mark.parametrize(("scope", "finds"), SCOPES)
def test_the_scope_of_a_match_is_the_same(emulator: Emulator, scope: dict[str, Any], finds: bool) -> None:
    body = {"prompt": "ferry pier Gull Island", "top_k": 10, **named(emulator, scope)}
    found = post(emulator, "/v1/vector/match", body).json()
    assert ("ferry.md" in [each["document_name"] for each in found["list"]]) == finds
    assert found["total"] == len(found["list"])


def test_a_match_gives_the_best_pieces_first(emulator: Emulator) -> None:
    body = {"prompt": FERRY, "top_k": "2", "embedding_rate": "1", "rerank_version": "BGE-Rerank"}
    found = post(emulator, "/v1/vector/match", body).json()["list"]
    assert [set(each) for each in found] == [{"content", "data_id", "document_name", "score"}] * 2
    assert found[0]["score"] >= found[1]["score"] > 0
    assert found[0]["data_id"] == document_ids(emulator)["ferry.md"]
    floored = post(emulator, "/v1/vector/match", {**body, "doc_correlation": 0.95}).json()["list"]
    assert all(each["score"] >= 0.95 for each in floored)
    assert len(floored) < len(found)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"top_k": 0}, 40000),
        ({"top_k": 51}, 40000),
        ({"top_k": True}, 40000),
        ({"prompt": ""}, 40000),
        ({"embedding_rate": 1.5}, 40000),
        ({"embedding_rate": "much"}, 40000),
        ({"doc_correlation": 0.05}, 40000),
        ({"rerank_version": "mine"}, 40000),
        ({"data_ids": [str(number) for number in range(11)]}, 40332),
    ],
)
def test_a_match_that_cannot_be_is_refused(emulator: Emulator, fields: dict[str, Any], code: int) -> None:
    refused = post(emulator, "/v1/vector/match", {"prompt": "x", "top_k": 3, **fields})
    assert (refused.status_code, refused.json()["code"]) == (400, code)


def test_bases_and_documents_count_what_they_hold(emulator: Emulator) -> None:
    bases = get(emulator, "/v1/bot/knowledge/base/page").json()["knowledge_base"]
    assert [each["doc"] for each in bases] == [4, 3]
    for base in bases:
        query = {"knowledge_base_id": base["id"], "page": 1, "page_size": 10}
        page = get(emulator, "/v1/bot/doc/query/page", **query).json()
        assert (page["total"], sum(each["chunk"] for each in page["list"])) == (base["doc"], base["chunk"])
        assert {each["status"] for each in page["list"]} == {"ACTIVE"}
    assert get(emulator, "/v1/bot/doc/query/page", knowledge_base_id="x", page=1, page_size=10).status_code == 400


def test_own_documents_are_one_base() -> None:
    with Emulator(token_delay_s=0, documents={"cats.md": "A cat sleeps."}) as own:
        assert [each["doc"] for each in get(own, "/v1/bot/knowledge/base/page").json()["knowledge_base"]] == [1]
        assert "cats.md" in answer_in(send_v2(own, "Where is my cat?", mode="blocking"))


def test_the_pieces_behind_an_answer_are_those_found(emulator: Emulator) -> None:
    held = conversation(emulator)
    body = send_v2(emulator, FERRY, held=held, mode="blocking", corner_citation=True).json()
    told = get(emulator, "/v1/correlate/dataset", message_id=body["message_id"]).json()
    assert (told["conversation_id"], told["answer_id"]) == (held, body["message_id"])
    assert [each["content"] for each in told["correlate_dataset"]] == [each["content"] for each in body["citations"]]
    assert all(isinstance(each["score"], float) for each in told["correlate_dataset"])
    documents = post(emulator, "/v1/bot/data/references", {"message_id": body["message_id"]}).json()
    assert (documents["code"], documents["msg"], documents["data"]["answerId"]) == (0, "success", body["message_id"])
    assert {each["dataId"] for each in documents["data"]["refDoc"]} == {
        each["data_id"] for each in told["correlate_dataset"]
    }


def test_an_answer_that_is_not_there_has_no_pieces(emulator: Emulator) -> None:
    assert get(emulator, "/v1/correlate/dataset", message_id=UNKNOWN_ID).json()["code"] == 40000
    of_another = answer(emulator)
    assert get(emulator, "/v1/correlate/dataset", message_id=of_another, kind="gptbots-flow").status_code == 400


@pytest.mark.parametrize(("feedback", "stored"), [("POSITIVE", "POSITIVE"), ("NEGATIVE", "NEGATIVE"), ("CANCELED", "")])
def test_feedback_shows_in_the_history(emulator: Emulator, feedback: str, stored: str) -> None:
    held = conversation(emulator)
    rated = send_v2(emulator, FERRY, held=held, mode="blocking").json()["message_id"]
    for each in ("POSITIVE", feedback):
        sent = post(emulator, "/v1/message/feedback", {"answer_id": rated, "feedback": each})
        assert sent.json() == {"affectCount": 1}
    told = get(emulator, "/v2/messages", conversation_id=held, page=1, page_size=10).json()["conversation_content"]
    assert [each["feedback"] for each in told] == [stored, ""]


@pytest.mark.parametrize(
    ("path", "field", "word"), [("feedback", "feedback", "POSITIVE"), ("quality", "quality", "NONE")]
)
def test_rating_what_is_not_there_affects_nothing(emulator: Emulator, path: str, field: str, word: str) -> None:
    ours = answer(emulator)
    counts = [
        post(emulator, f"/v1/message/{field}", {"answer_id": each, field: word}, kind=kind).json()["affectCount"]
        for each, kind in ((ours, "gptbots"), (UNKNOWN_ID, "gptbots"), (ours, "gptbots-flow"))
    ]
    assert counts == [1, 0, 0]
    assert post(emulator, f"/v1/message/{field}", {"answer_id": ours, field: "GREAT"}).json()["code"] == 40000


def test_suggestions_come_where_they_are_on(emulator: Emulator) -> None:
    questions = get(emulator, "/v1/next/question", answer_id=answer(emulator)).json()["questions"]
    assert len(questions) == len(set(questions)) == 3
    plain = answer(emulator, kind="gptbots-text")
    assert get(emulator, "/v1/next/question", answer_id=plain, kind="gptbots-text").json()["code"] == 200222


def test_a_key_and_its_agent_can_be_looked_up(emulator: Emulator) -> None:
    verified = get(emulator, "/v1/api-key/verify").json()
    detail = get(emulator, "/v1/bot/detail").json()
    assert verified["id"] == detail["bot_id"]
    kinds = {
        kind: get(emulator, "/v1/bot/detail", kind=kind).json()["bot_type"] for kind in ("gptbots", "gptbots-flow")
    }
    assert kinds == {"gptbots": "QuestionAnswer", "gptbots-flow": "Flow"}


@pytest.mark.parametrize("text", [FERRY, "[[emoji]]", "[[echo]] odd"])
def test_what_is_spoken_can_be_written_down_again(emulator: Emulator, text: str) -> None:
    body = send_v2(emulator, text, mode="blocking").json()
    sound = post(emulator, "/v1/text-to-audio", {"id": body["message_id"]})
    assert sound.headers["Content-Type"] == "audio/wav"
    with wave.open(BytesIO(sound.content)) as opened:
        assert opened.getnframes() > 0
    assert transcribe(emulator, "a.wav", sound.content).json() == {"text": body["output"][0]["content"]["text"]}


def test_any_other_sound_is_described(emulator: Emulator) -> None:
    assert transcribe(emulator, "a.mp3", b"12345").json() == {"text": "A sound of 5 bytes."}


def test_speech_is_refused_for_what_it_cannot_be(emulator: Emulator) -> None:
    silent = answer(emulator, "[[empty]]")
    assert post(emulator, "/v1/text-to-audio", {"id": silent}).json()["code"] == 40371
    assert post(emulator, "/v1/text-to-audio", {"id": UNKNOWN_ID}).json()["code"] == 40000
    assert transcribe(emulator, "a.txt", b"x").json()["code"] == 40325
    assert transcribe(emulator, "a.mp3", b"\0" * (25 * 1024 * 1024 + 1)).json()["code"] == 40326
    assert post(emulator, "/v1/audio-to-text", {}).json()["code"] == 40000
    broke = "gptbots-no-credits"
    assert transcribe(emulator, "a.mp3", b"x", kind=broke).json()["code"] == 20022
    assert post(emulator, "/v1/text-to-audio", {"id": silent}, kind=broke).json()["code"] == 40379


def transcribe(emulator: Emulator, name: str, sound: bytes, kind: str = "gptbots") -> requests.Response:
    url = f"{emulator.gptbots_url}/v1/audio-to-text"
    return requests.post(url, files={"file": (name, sound)}, headers=bearer(emulator, kind), timeout=5)
