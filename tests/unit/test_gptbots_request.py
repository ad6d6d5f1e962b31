"""What a GPTBots agent is sent: the documents' own examples, and every switch in each of its states."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from remote_chatbots import Attachment, BotUsageError, GPTBotsAgent, GPTBotsOptions, Question
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]
END = b'data:{"code":0,"message":"End","data":null}\n\n'
KEY = "app-a-key-that-must-not-show"
PDF = b"%PDF-1.7 a small file"
PDF_BASE64 = "JVBERi0xLjcgYSBzbWFsbCBmaWxl"
PICTURE = "https://res.example.com/botchat/file/38f13465.jpg"

# "Send message", the request's example.
DOCUMENTED_V1 = {
    "text": "HI!",
    "conversation_id": "xxxxxx",
    "response_mode": "streaming",
    "short_term_memory": True,
    "long_term_memory": False,
    "files": [
        {"url": PICTURE, "name": "something.jpg", "width": 200, "height": 200},
        {"base64_content": PDF_BASE64, "name": "something.pdf"},
    ],
    "knowledge": {"data_ids": ["1111111111", "2222222222"]},
}
# "Send message v2", the request's example.
DOCUMENTED_V2 = {
    "conversation_id": "66f0c0ffee0000000000a001",
    "response_mode": "blocking",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "How many leave days are left?"}]}],
    "conversation_config": {
        "long_term_memory": False,
        "knowledge": {"group_ids": ["66f0c0ffee0000000000b777"]},
        "corner_citation": True,
    },
}


def sent(agent: GPTBotsAgent, drive: Drive, text: str = "HI!", **fields: Any) -> dict[str, Any]:
    """Return the body of the only request that a question in the conversation xxxxxx is."""
    question = Question(text, **{"conversation_id": "xxxxxx", **fields})
    (body,) = drive(agent.ask(question), END).posted
    assert isinstance(body, dict)
    return body


@pytest.fixture
def v1(agent: GPTBotsAgent) -> GPTBotsAgent:
    return replace(agent, api_version="v1")


def test_v1_sends_the_documents_example_to_the_letter(v1: GPTBotsAgent, drive: Drive) -> None:
    options = GPTBotsOptions(True, False, ["1111111111", "2222222222"])
    files = [
        Attachment("image", PICTURE, name="something.jpg", width_px=200, height_px=200),
        Attachment("document", data=b64decode(PDF_BASE64), name="something.pdf"),
    ]
    assert sent(replace(v1, options=options), drive, files=files) == DOCUMENTED_V1


def test_v2_sends_the_documents_example_to_the_letter(agent: GPTBotsAgent, drive: Drive) -> None:
    options = {"long_term_memory": False, "knowledge": {"group_ids": ["66f0c0ffee0000000000b777"]}}
    body = sent(
        agent,
        drive,
        "How many leave days are left?",
        conversation_id="66f0c0ffee0000000000a001",
        blocking=True,
        options={**options, "corner_citation": True},
    )
    assert body == DOCUMENTED_V2


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_requests_go_to_the_paths_of_the_version_with_the_key_and_as_json(
    agent: GPTBotsAgent, drive: Drive, version: str
) -> None:
    created = (ResponseHead(200, {}), b'{"conversation_id":"66f0c0ffee0000000000a001"}')
    played = drive(replace(agent, api_version=version).ask(Question("HI!", user="emp-00417")), created, END)
    create, send = played.requests
    assert (create.method, create.url) == ("POST", "https://bots.example.com/v1/conversation")
    assert create.body == b'{"user_id":"emp-00417"}'
    assert (send.method, send.url) == ("POST", f"https://bots.example.com/{version}/conversation/message")
    assert orjson.loads(send.body)["conversation_id"] == "66f0c0ffee0000000000a001"
    for request in played.requests:
        assert request.headers["Authorization"] == "Bearer app-secret-key-123"
        assert request.headers["Content-Type"] == "application/json"


def test_a_plain_question_carries_nothing_that_was_not_asked_for(
    agent: GPTBotsAgent, v1: GPTBotsAgent, drive: Drive
) -> None:
    told = {"conversation_id": "xxxxxx", "response_mode": "streaming"}
    assert sent(v1, drive) == told | {"text": "HI!"}
    messages = [{"role": "user", "content": [{"type": "text", "text": "HI!"}]}]
    assert sent(agent, drive) == told | {"messages": messages}


@pytest.mark.parametrize("name", ["short_term_memory", "long_term_memory"])
@pytest.mark.parametrize("state", [True, False, None])
def test_memory_has_three_states_and_the_agents_own_setting_is_silence(
    agent: GPTBotsAgent, v1: GPTBotsAgent, drive: Drive, name: str, state: bool | None
) -> None:
    options = {name: state}
    expected = {} if state is None else {name: state}
    assert {key: value for key, value in sent(v1, drive, options=options).items() if "memory" in key} == expected
    assert sent(agent, drive, options=options).get("conversation_config", {}) == expected


@pytest.mark.parametrize(
    ("knowledge", "told"),
    [
        (None, None),
        ([], {"data_ids": []}),
        ({}, {"data_ids": []}),
        (("a", "b"), {"data_ids": ["a", "b"]}),
        ({"data_ids": []}, {"data_ids": []}),
        ({"data_ids": ["a"]}, {"data_ids": ["a"]}),
    ],
)
def test_knowledge_has_three_states_everything_nothing_and_these(
    agent: GPTBotsAgent, v1: GPTBotsAgent, drive: Drive, knowledge: Any, told: Any
) -> None:
    assert sent(v1, drive, options={"knowledge": knowledge}).get("knowledge") == told
    config = sent(agent, drive, options={"knowledge": knowledge}).get("conversation_config", {})
    assert config.get("knowledge") == told


def test_documents_and_bases_are_searched_together(agent: GPTBotsAgent, drive: Drive) -> None:
    both = {"data_ids": ["a"], "group_ids": ["b"]}
    assert sent(agent, drive, options={"knowledge": both})["conversation_config"] == {"knowledge": both}


def test_an_option_of_the_question_is_laid_over_the_agents(agent: GPTBotsAgent, drive: Drive) -> None:
    bot = replace(agent, options=GPTBotsOptions(short_term_memory=True, knowledge=["a"]))
    config = sent(bot, drive, options={"short_term_memory": None, "long_term_memory": True})["conversation_config"]
    assert config == {"long_term_memory": True, "knowledge": {"data_ids": ["a"]}}


def test_variables_and_citation_marks_go_into_the_configuration_of_v2(agent: GPTBotsAgent, drive: Drive) -> None:
    body = sent(agent, drive, inputs={"city": "上海", "days": 3}, options={"corner_citation": False})
    assert body["conversation_config"] == {"custom_variables": {"city": "上海", "days": 3}, "corner_citation": False}


def test_files_are_parts_of_the_message_in_v2(agent: GPTBotsAgent, drive: Drive) -> None:
    files = [
        Attachment("image", "https://x.example.com/a%20b/Foto%201.PNG?sig=1#top", width_px=9),
        Attachment("audio", data=b"RIFF", name="hello.wav"),
        Attachment("document", "https://x.example.com/get?id=4", name="plan.tar.gz"),
        Attachment("document", "https://x.example.com/"),
    ]
    (message,) = sent(agent, drive, files=files)["messages"]
    text, image, audio, document, nameless = message["content"]
    assert text == {"type": "text", "text": "HI!"}
    assert image == {"type": "image", "image": [{"url": files[0].url, "format": "png", "name": "Foto 1.PNG"}]}
    assert audio == {
        "type": "audio",
        "audio": [{"base64_content": "UklGRg==", "format": "wav", "name": "hello.wav"}],
    }
    assert document["document"] == [{"url": files[2].url, "format": "gz", "name": "plan.tar.gz"}]
    assert nameless["document"] == [{"url": "https://x.example.com/"}]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_files_alone_are_a_question(agent: GPTBotsAgent, drive: Drive, version: str) -> None:
    body = sent(replace(agent, api_version=version), drive, "", files=[Attachment("image", PICTURE)])
    if version == "v1":
        assert (body["files"], "text" in body) == ([{"url": PICTURE, "name": "38f13465.jpg"}], False)
    else:
        assert [part["type"] for part in body["messages"][0]["content"]] == ["image"]


@pytest.mark.parametrize(
    "beyond",
    [
        {"inputs": {"city": "上海"}},
        {"options": {"corner_citation": True}},
        {"options": {"knowledge": {"group_ids": ["b"]}}},
    ],
    ids=str,
)
def test_what_v1_has_no_place_for_is_refused_before_anything_is_sent(v1: GPTBotsAgent, beyond: Any) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: .* cannot be sent by v1 .* Leave it out\.$"):
        v1.ask(Question("HI!", user="ann", **beyond))


@pytest.mark.parametrize(
    "knowledge",
    ["abc", 5, {"a"}, [1], {"ids": ["a"]}, {"data_ids": "abc"}, {"data_ids": None}, [None]],
    ids=repr,
)
def test_knowledge_that_is_no_list_of_ids_is_refused(agent: GPTBotsAgent, knowledge: Any) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: knowledge must be .* leave it out"):
        agent.ask(Question("HI!", user="ann", options={"knowledge": knowledge}))


@pytest.mark.parametrize("name", ["short_term_memory", "long_term_memory", "corner_citation", "citation_marks"])
@pytest.mark.parametrize("value", [1, 0, "true", [], 0.0], ids=repr)
def test_a_switch_takes_nothing_but_its_states(name: str, value: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^gptbots: {name} must be True"):
        GPTBotsOptions(**{name: value})


def test_an_option_that_there_is_not_is_refused_by_its_name(agent: GPTBotsAgent) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: workflow_id is no option .*, or give short_term_memory"):
        agent.ask(Question("HI!", user="ann", options={"workflow_id": "w"}))


def test_a_question_without_conversation_needs_a_user_and_one_with_it_does_not(
    agent: GPTBotsAgent, drive: Drive
) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: a question needs a user"):
        agent.ask(Question("HI!"))
    assert sent(agent, drive)["conversation_id"] == "xxxxxx"


@pytest.mark.parametrize("name", ["x" * 33, "3f2b8c1e-9a4d-4c6b-8e2f-7a1d5c9b0e34", "🌊" * 33])
def test_a_user_of_33_characters_is_refused_with_the_short_form_and_32_are_sent_whole(
    agent: GPTBotsAgent, drive: Drive, name: str
) -> None:
    with pytest.raises(BotUsageError, match=rf"^gptbots: user has {len(name)} .* at most 32.*uuid\.hex.*SHA-256"):
        agent.ask(Question("HI!", user=name))
    created = (ResponseHead(200, {}), b'{"conversation_id":"c-1"}')
    played = drive(agent.ask(Question("HI!", user=name[:32])), created, END)
    assert played.posted[0] == {"user_id": name[:32]}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nine_files_are_taken_and_ten_are_not(agent: GPTBotsAgent, drive: Drive, version: str) -> None:
    bot = replace(agent, api_version=version)
    files = [Attachment("image", PICTURE)] * 10
    assert len(orjson.dumps(sent(bot, drive, files=files[:9])).split(PICTURE.encode())) == 10
    with pytest.raises(BotUsageError, match=r"^gptbots: files holds 10 files, .* at most 9"):
        bot.ask(Question("HI!", user="ann", files=files))


@pytest.mark.parametrize(("kind", "megabytes"), [("document", 20), ("image", 10), ("audio", 5)])
def test_a_file_may_have_its_kinds_size_and_not_a_byte_more(agent: GPTBotsAgent, kind: Any, megabytes: int) -> None:
    most = bytes(megabytes * 1024 * 1024)
    agent.ask(Question("HI!", user="ann", files=[Attachment(kind, data=most, name="a.bin")]))
    with pytest.raises(BotUsageError, match=rf"^gptbots: files: the {kind} has {len(most) + 1} bytes"):
        agent.ask(Question("HI!", user="ann", files=[Attachment(kind, data=most + b"x", name="a.bin")]))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (Attachment("video", PICTURE), "images, audio and documents"),
        (Attachment("custom", data=b"x", name="a.bin"), "images, audio and documents"),
        (Attachment("image", file_id="f-1"), "no uploads"),
        (Attachment("document", data=b"\0\1"), "no name with an extension"),
        (Attachment("document", data=b"\0\1", name="pdf"), "no name with an extension"),
        (Attachment("image", PICTURE, width_px=1j), "JSON has no form"),  # type: ignore[arg-type]
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_file_that_cannot_go_with_a_message_is_refused(agent: GPTBotsAgent, file: Attachment, why: str) -> None:
    with pytest.raises(BotUsageError, match=rf"^gptbots: files.*{why}.*\.$"):
        agent.ask(Question("HI!", user="ann", files=[file]))


@pytest.mark.parametrize("value", [1j, {1: 2}, "\ud800", {"a": b"x"}, {1}], ids=ascii)
def test_variables_that_json_has_no_form_for_are_refused_before_a_conversation_is_begun(
    agent: GPTBotsAgent, value: Any
) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: inputs hold something that JSON has no form for"):
        agent.ask(Question("HI!", user="ann", inputs={"value": value}))


def test_a_knowledge_id_that_is_no_text_is_refused_before_a_conversation_is_begun(agent: GPTBotsAgent) -> None:
    with pytest.raises(BotUsageError, match=r"^gptbots: knowledge hold something that JSON has no form for"):
        agent.ask(Question("HI!", user="ann", options={"knowledge": ["\ud800"]}))


@pytest.mark.parametrize("field", ["text", "user", "conversation_id"])
def test_half_a_character_is_refused(field: str) -> None:
    with pytest.raises(BotUsageError, match=f"^{field} holds half a character"):
        Question(**{"text": "HI!", "user": "ann", field: "a\ud800"})


def test_ids_with_odd_characters_stay_inside_their_query(agent: GPTBotsAgent, drive: Drive) -> None:
    played = drive(agent.citations("a/b?c=d&e#f 雪\ud800"), (ResponseHead(200, {}), b'{"correlate_dataset":[{}]}'))
    url = "https://bots.example.com/v1/correlate/dataset?message_id=a%2Fb%3Fc%3Dd%26e%23f+%E9%9B%AA%3F"
    assert [request.url for request in played.requests] == [url]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("sg", "https://api-sg.gptbots.ai"),
        ("SG", "https://api-sg.gptbots.ai"),
        (" Th\n", "https://api-th.gptbots.ai"),
        ("jp", "https://api-jp.gptbots.ai"),
        ("cn", "https://api.gptbots.cn"),
        ("https://api.gptbots.ai/", "https://api.gptbots.ai"),
        ("https://API.gptbots.ai/v1", "https://api.gptbots.ai"),
        ("https://api.gptbots.ai/v1/conversation/message", "https://api.gptbots.ai"),
        ("https://api.gptbots.ai/v2/conversation/message/", "https://api.gptbots.ai"),
        ("https://10.0.0.7:8080/tools/bots/v2", "https://10.0.0.7:8080/tools/bots"),
        ("http://127.0.0.1:5001/gptbots", "http://127.0.0.1:5001/gptbots"),
    ],
)
def test_a_region_or_an_address_in_any_form_is_the_servers(given: str, url: str) -> None:
    assert GPTBotsAgent(KEY, given).base_url == url


def test_the_default_is_singapore() -> None:
    assert GPTBotsAgent(KEY).base_url == "https://api-sg.gptbots.ai"


@pytest.mark.parametrize("given", ["api-sg.gptbots.ai", "us", "", "ftp://api.gptbots.ai", None, 5], ids=repr)
def test_what_is_no_address_is_refused_with_the_platforms_own_and_its_regions(given: Any) -> None:
    with pytest.raises(BotUsageError, match="base_url") as caught:
        GPTBotsAgent(KEY, given)
    if isinstance(given, str):
        assert "https://api-sg.gptbots.ai, or a region (sg, th, jp, cn)" in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "app-a\nkey", "app-é", None], ids=repr)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(BotUsageError, match="api_key") as caught:
        GPTBotsAgent(key)
    assert not key or not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("version", ["v3", "", "2", None, 2], ids=repr)
def test_a_version_that_there_is_not_is_refused(version: Any) -> None:
    with pytest.raises(BotUsageError, match=r'^gptbots: api_version must be "auto", "v1" or "v2"'):
        GPTBotsAgent(KEY, api_version=version)
