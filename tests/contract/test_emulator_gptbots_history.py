"""What GPTBots agents of the emulator remember, and what the history tells of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator, OldestFirst, SingleObjectMedia
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

FIRST = "What did I ask first?"
NOTHING = "This is your first question."
EVER = {"start_time": 0, "end_time": 10**13}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def ask(emulator: Emulator, text: str, held: str, **settings: Any) -> str:
    return answer_in(send_v2(emulator, text, held=held, mode="blocking", **settings))


def history(emulator: Emulator, held: str, *, kind: str = "gptbots", version: str = "v2", **query: Any) -> Any:
    page = {"page": 1, "page_size": 100, **query}
    return get(emulator, f"/{version}/messages", kind=kind, conversation_id=held, **page).json()


@pytest.mark.parametrize(
    ("kind", "setting", "remembers"),
    [
        ("gptbots", None, True),
        ("gptbots", True, True),
        ("gptbots", False, False),
        ("gptbots-forgetful", None, False),
        ("gptbots-forgetful", True, True),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_earlier_turns_count_if_the_short_term_memory_is_on(
    emulator: Emulator, kind: str, setting: bool | None, remembers: bool, version: int
) -> None:
    held = conversation(emulator, kind=kind)
    send_v2(emulator, FERRY, held=held, kind=kind)
    settings = {} if setting is None else {"short_term_memory": setting}
    if version == 1:
        body = send_v1(emulator, FIRST, held=held, kind=kind, response_mode="blocking", **settings).json()
        answer = body["text"]
    else:
        answer = answer_in(send_v2(emulator, FIRST, held=held, kind=kind, mode="blocking", **settings))
    assert answer == (f'Turn 2. You asked first: "{FERRY}"' if remembers else f"Turn 1. {NOTHING}")


def test_other_conversations_of_the_user_count_if_the_long_term_memory_is_on(emulator: Emulator) -> None:
    ask(emulator, FERRY, conversation(emulator))
    ask(emulator, "museum", conversation(emulator, "bob"))
    held = conversation(emulator)
    assert NOTHING in ask(emulator, FIRST, held, short_term_memory=False)
    assert FERRY in ask(emulator, FIRST, held, long_term_memory=True)


def test_turns_that_the_client_sends_stand_for_the_memory(emulator: Emulator) -> None:
    messages = [
        {"role": "user", "content": "How tall is the lighthouse?"},
        {"role": "assistant", "content": "198 steps."},
        {"role": "user", "content": FIRST},
    ]
    body = {
        "conversation_id": conversation(emulator),
        "response_mode": "blocking",
        "messages": messages,
        "conversation_config": {"short_term_memory": False},
    }
    answer = answer_in(post(emulator, "/v2/conversation/message", body))
    assert answer == 'Turn 2. You asked first: "How tall is the lighthouse?"'


def test_variables_reach_the_model(emulator: Emulator) -> None:
    answer = ask(emulator, "[[inputs]]", conversation(emulator), custom_variables={"city": "Saltmouth"})
    assert answer == '{"city": "Saltmouth"}'


def test_question_and_answer_are_stored_before_the_first_frame(emulator: Emulator) -> None:
    held = conversation(emulator)
    body = {
        "conversation_id": held,
        "response_mode": "streaming",
        "messages": [{"role": "user", "content": f"{FERRY} [[slow]]"}],
    }
    url = f"{emulator.gptbots_url}/v2/conversation/message"
    with requests.post(url, json=body, headers=bearer(emulator), timeout=5, stream=True) as response:
        next(response.iter_content(1))
        answer, question = history(emulator, held)["conversation_content"]
    assert question["content"] == [{"branch_content": [{"type": "text", "text": f"{FERRY} [[slow]]"}]}]
    assert answer["content"][0]["branch_content"][0]["text"].startswith("This is a long answer.")


def test_v1_history_has_the_documented_shape(emulator: Emulator) -> None:
    held = conversation(emulator)
    told = send_v1(emulator, FERRY, held=held, response_mode="blocking").json()
    page = history(emulator, held, version="v1")
    answer, question = page["messages"]
    assert (list(page), page["total"]) == (["total", "messages"], 2)
    assert set(answer) == {"message_id", "parent_message_id", "message_type", "text", "create_time"}
    assert (answer["message_id"], answer["text"], answer["message_type"]) == (
        told["message_id"],
        told["text"],
        "ANSWER",
    )
    assert (answer["parent_message_id"], question["message_type"]) == (question["message_id"], "QUESTION")
    assert answer["create_time"] == question["create_time"] == told["create_time"] * 1000


def test_v2_history_tells_role_parent_and_branches(emulator: Emulator) -> None:
    held = conversation(emulator)
    send_v2(emulator, f"{FERRY} [[flow]]", held=held)
    answer, question = history(emulator, held)["conversation_content"]
    keys = {"message_id", "parent_message_id", "create_time", "feedback", "role", "content"}
    assert set(answer) == set(question) == keys
    assert [each["from_component_branch"] for each in answer["content"]] == ["1", "2"]
    assert (question["role"], answer["role"]) == ("user", "assistant")
    assert answer["parent_message_id"] == question["message_id"]


def test_a_history_is_newest_first_unless_told_otherwise(emulator: Emulator) -> None:
    held = conversation(emulator)
    for text in ("one", "two"):
        send_v2(emulator, text, held=held)
    newest = history(emulator, held)["conversation_content"]
    emulator.faults.add(OldestFirst(), path="/gptbots/v2/messages")
    oldest = history(emulator, held)["conversation_content"]
    assert newest == oldest[::-1]
    assert [each["role"] for each in oldest] == ["user", "assistant"] * 2


def test_a_history_comes_in_pages(emulator: Emulator) -> None:
    held = conversation(emulator)
    for text in ("one", "two", "three"):
        send_v2(emulator, text, held=held)
    pages = [history(emulator, held, page=page, page_size=4) for page in (1, 2)]
    assert [(page["total"], len(page["conversation_content"])) for page in pages] == [(6, 4), (6, 2)]
    assert [page["conversation_content"] for page in pages] != [pages[0]["conversation_content"]] * 2
    assert history(emulator, held, page=3, page_size=4)["code"] == 40005


@pytest.mark.parametrize("query", [{"page": 0}, {"page_size": 101}, {"page": "x"}, {"page_size": None}])
def test_a_page_that_cannot_be_is_40000(emulator: Emulator, query: dict[str, Any]) -> None:
    assert history(emulator, conversation(emulator), **query)["code"] == 40000


def test_a_history_of_another_agent_is_40356(emulator: Emulator) -> None:
    held = conversation(emulator)
    assert history(emulator, held, kind="gptbots-flow")["code"] == history(emulator, UNKNOWN_ID)["code"] == 40356


def test_a_welcome_is_an_answer_to_nothing(emulator: Emulator) -> None:
    held = conversation(emulator, kind="gptbots-flow")
    welcome = history(emulator, held, kind="gptbots-flow", version="v1")["messages"]
    assert [(each["message_type"], each["parent_message_id"]) for each in welcome] == [("ANSWER", "")]


def test_files_stand_in_the_history_and_can_be_fetched(emulator: Emulator) -> None:
    held = conversation(emulator)
    sent = {"base64_content": base64.b64encode(b"picture").decode(), "format": "png", "name": "a.png"}
    send_v2(emulator, [{"type": "text", "text": "look [[audio]]"}, {"type": "image", "image": [sent]}], held=held)
    answer, question = history(emulator, held)["conversation_content"]
    picture = question["content"][0]["branch_content"][1]["image"][0]
    assert {key: picture[key] for key in ("format", "name", "size")} == {"format": "png", "name": "a.png", "size": 7}
    sound = answer["content"][0]["branch_content"][0]["audio"][0]
    assert sound["transcript"] == "Turn 1. You sent a.png."
    fetched = [requests.get(each["url"], timeout=5) for each in (picture, sound)]
    assert fetched[0].content == b"picture"
    assert (len(fetched[1].content), fetched[1].headers["Content-Type"]) == (sound["size"], "audio/wav")
    emulator.faults.add(SingleObjectMedia(), path="/gptbots/v2/messages")
    old = history(emulator, held)["conversation_content"][1]["content"][0]["branch_content"][1]
    assert old == {"type": "image", "image": picture}


def test_a_failed_turn_keeps_what_was_said(emulator: Emulator) -> None:
    held = conversation(emulator)
    send_v2(emulator, "[[fail]]", held=held)
    assert [each["role"] for each in history(emulator, held)["conversation_content"]] == ["user"]
    send_v2(emulator, f"{FERRY} [[failmid]]", held=held)
    text = history(emulator, held)["conversation_content"][0]["content"][0]["branch_content"][0]["text"]
    assert text == "Turn 2. From ferry."


def test_conversations_are_listed_by_their_last_activity(emulator: Emulator) -> None:
    first, unused, second = (conversation(emulator, user) for user in ("ann", "ann", "bob"))
    for held in (first, second, first):
        send_v2(emulator, FERRY, held=held)
    query = {"conversation_type": "API", **EVER, "page": 1, "page_size": 50}
    page = get(emulator, "/v1/bot/conversation/page", **query).json()
    assert [each["conversation_id"] for each in page["list"]] == [first, second]
    assert page["total"] == 2
    assert unused not in str(page)
    told = page["list"][0]
    assert (told["user_id"], told["subject"], told["message_count"]) == ("ann", FERRY, 4)
    assert told["cost_credit"] > 0
    of_bob = get(emulator, "/v1/bot/conversation/page", **query, user_id="bob").json()["list"]
    assert [each["conversation_id"] for each in of_bob] == [second]
    before = {**query, "end_time": told["recent_chat_time"] - 1}
    assert first not in str(get(emulator, "/v1/bot/conversation/page", **before).json())
    assert get(emulator, "/v1/bot/conversation/page", **{**query, "conversation_type": "SLACK"}).json()["list"] == []
    assert get(emulator, "/v1/bot/conversation/page", **{**query, "conversation_type": "X"}).json()["code"] == 40000


def test_pairs_are_listed_with_words_of_their_own(emulator: Emulator) -> None:
    answers = [send_v2(emulator, text, mode="blocking").json()["message_id"] for text in ("one", "two", "three")]
    for answer, feedback in zip(answers, ("POSITIVE", "NEGATIVE"), strict=False):
        post(emulator, "/v1/message/feedback", {"answer_id": answer, "feedback": feedback})
    query = {"user_feedback": "ALL", **EVER, "page": 1, "page_size": 10}
    pairs = get(emulator, "/v1/message/qa/record/page", **query).json()["qa"]
    assert [(each["aid"], each["user_feedback"]) for each in pairs] == list(
        zip(answers[::-1], ("NONE", "BAD", "GOOD"), strict=True)
    )
    assert (pairs[0]["q"], pairs[0]["q_time"] < 10**11) == ("three", True)
    good = get(emulator, "/v1/message/qa/record/page", **{**query, "user_feedback": "GOOD"}).json()["qa"]
    assert [each["aid"] for each in good] == answers[:1]
    assert get(emulator, "/v1/message/qa/record/page", **{**query, "page_size": 9}).json()["code"] == 40000
