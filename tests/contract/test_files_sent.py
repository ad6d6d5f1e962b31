"""Files on their way, by the server's log: uploaded once, as whoever asks; where that fails, nothing is asked."""

from __future__ import annotations

import asyncio
import pickle
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock

from langchain_chatbots import ChatDify, ChatGPTBots
from llama_index_chatbots import Dify, GPTBots
from remote_chatbots import (
    AsyncBotClient,
    Attachment,
    BotClient,
    BotRejectedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
)
from remote_chatbots.emulator import Emulator
from remote_chatbots.emulator.faults import HtmlPage

PNG = b"\x89PNG\r\n\x1a\n" + bytes(67)
PICTURE = Attachment.from_bytes(PNG, name="sky.png")
UPLOAD, QUESTION, RULES = "/v1/files/upload", "/v1/chat-messages", "/v1/parameters"
ASKED = "What is this?"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def app(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.key("chat-image"), emulator.dify_url)


def paths(emulator: Emulator) -> list[str]:
    return [request.path for request in emulator.requests]


def message_with(files: Sequence[bytes]) -> HumanMessage:
    # LangChain wants the type for its traces; here it is wrong.
    blocks = [{"type": "image", "base64": b64encode(file).decode(), "mime_type": "image/jpeg"} for file in files]
    return HumanMessage([{"type": "text", "text": ASKED}, *blocks])


def in_langchain(bot: Any, *files: bytes, user: str) -> str:
    message = message_with(files)
    return str(bot.invoke([message], user=user).content)


def in_langchain_async(bot: Any, *files: bytes, user: str) -> str:
    message = message_with(files)
    return str(asyncio.run(bot.ainvoke([message], user=user)).content)


def in_llama_index(bot: Any, *files: bytes, user: str) -> str:
    blocks = [TextBlock(text=ASKED), *(ImageBlock(image=file) for file in files)]
    return str(bot.chat([ChatMessage(role="user", blocks=blocks)], user=user).message.content)


def in_llama_index_async(bot: Any, *files: bytes, user: str) -> str:
    blocks = [TextBlock(text=ASKED), *(ImageBlock(image=file) for file in files)]
    return str(asyncio.run(bot.achat([ChatMessage(role="user", blocks=blocks)], user=user)).message.content)


WAYS: dict[str, tuple[str, Callable[..., str]]] = {
    "langchain": ("langchain", in_langchain),
    "langchain async": ("langchain", in_langchain_async),
    "llama_index": ("llama_index", in_llama_index),
    "llama_index async": ("llama_index", in_llama_index_async),
}
MODELS: dict[tuple[str, str], Any] = {
    ("langchain", "dify"): ChatDify,
    ("langchain", "gptbots"): ChatGPTBots,
    ("llama_index", "dify"): Dify,
    ("llama_index", "gptbots"): GPTBots,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_in_a_message_is_uploaded_once_for_each_user(way: str, emulator: Emulator) -> None:
    framework, ask = WAYS[way]
    bot = MODELS[framework, "dify"](api_key=emulator.key("chat-image"), base_url=emulator.dify_url)

    for user in ("ann", "ann", "bob", "ann"):
        assert "You sent image.png." in ask(bot, PNG, user=user)

    assert paths(emulator) == [RULES, UPLOAD, QUESTION, QUESTION, UPLOAD, QUESTION, QUESTION]
    ids = [request.body["files"][0]["upload_file_id"] for request in emulator.requests if request.path == QUESTION]
    assert ids[0] == ids[1] == ids[3] != ids[2]


def test_the_same_bytes_under_another_name_or_type_are_a_file_of_their_own(app: DifyApp, emulator: Emulator) -> None:
    client = BotClient(app, user="ann")
    other_type = Attachment("image", data=PNG, name="sky.png", mime_type="image/x-sky")
    for file in (PICTURE, Attachment.from_bytes(PNG, name="sea.png"), PICTURE, other_type):
        assert f"You sent {file.name}." in client.ask(ASKED, files=[file]).text
    assert paths(emulator).count(UPLOAD) == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_in_a_message_goes_to_gptbots_in_it(way: str, emulator: Emulator) -> None:
    framework, ask = WAYS[way]
    bot = MODELS[framework, "gptbots"](api_key=emulator.gptbots_key, base_url=emulator.gptbots_url)

    ask(bot, PNG, user="ann")

    *_, sent = emulator.requests
    image = {"base64_content": b64encode(PNG).decode(), "format": "png", "name": "image.png"}
    content = [{"type": "text", "text": ASKED}, {"type": "image", "image": [image]}]
    assert sent.body["messages"] == [{"role": "user", "content": content}]


def test_threads_that_send_one_picture_at_once_upload_it_once(app: DifyApp, emulator: Emulator) -> None:
    client = BotClient(app, user="ann")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.ask(ASKED, files=[PICTURE]).text, range(16)))

    assert all("You sent sky.png." in answer for answer in answers)
    assert (paths(emulator).count(UPLOAD), paths(emulator).count(QUESTION)) == (1, 16)


def test_tasks_that_send_one_picture_at_once_upload_it_once(app: DifyApp, emulator: Emulator) -> None:
    large = Attachment.from_bytes(PNG + bytes(300_000), name="sky.png")

    async def ask() -> list[str]:
        async with AsyncBotClient(app, user="ann") as client:
            answers = await asyncio.gather(*(client.ask(ASKED, files=[large]) for _ in range(16)))
        return [answer.text for answer in answers]

    assert all("You sent sky.png." in answer for answer in asyncio.run(ask()))
    assert (paths(emulator).count(UPLOAD), paths(emulator).count(QUESTION)) == (1, 16)


def test_a_picture_that_the_server_has_lost_is_uploaded_again(
    app: DifyApp, emulator: Emulator, call: Callable[..., Any]
) -> None:
    call(app, "ask", ASKED, files=[PICTURE])
    emulator.forget_uploads()

    assert "You sent sky.png." in call(app, "ask", ASKED, files=[PICTURE]).text
    assert paths(emulator) == [RULES, UPLOAD, QUESTION, QUESTION, UPLOAD, QUESTION]


def test_a_pickle_of_a_model_begins_without_what_was_uploaded(emulator: Emulator) -> None:
    model = ChatDify(api_key=emulator.key("chat-image"), base_url=emulator.dify_url)
    in_langchain(model, PNG, user="ann")
    in_langchain(pickle.loads(pickle.dumps(model)), PNG, user="ann")

    assert paths(emulator).count(UPLOAD) == 2


def sent_as(kind: str, data: bytes = b"", **given: Any) -> Attachment:
    return Attachment(kind, data=data, **given)  # type: ignore[arg-type]


def unreachable() -> Attachment:
    return Attachment.from_url("http://127.0.0.1:9/x.png")


@pytest.mark.parametrize(
    ("files", "faults", "status"),
    [
        ([Attachment.from_bytes(PNG + bytes(10 * 2**20))], [], 413),
        ([sent_as("image", PNG, name="sky.png", mime_type=" ")], [], 415),
        ([PICTURE], [HtmlPage(status=504)], 504),
        ([unreachable()], [], 400),
    ],
    ids=["too large", "no type", "a proxy's page", "an address that cannot be reached"],
)
def test_where_a_file_does_not_arrive_the_error_is_typed_and_nothing_is_asked(
    app: DifyApp, emulator: Emulator, call: Callable[..., Any], files: Any, faults: Any, status: int
) -> None:
    emulator.faults.add(HtmlPage(status=502), path=RULES, times=None)  # the app's rules are not to be had
    for fault in faults:
        emulator.faults.add(fault, path=UPLOAD, times=None)

    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(app, "ask", ASKED, files=files)

    assert caught.value.http_status == status  # type: ignore[attr-defined]
    assert str(caught.value).startswith(f"dify: {status}")
    asked_of = [path for path in paths(emulator) if path == QUESTION]
    assert asked_of == ([QUESTION] if status == 400 else [])
    emulator.faults.clear()
    assert call(app, "conversations") == []


def test_what_the_rules_forbid_is_refused_before_anything_is_sent(
    app: DifyApp, emulator: Emulator, call: Callable[..., Any]
) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: files\[0\]: the app takes image, and this is document"):
        call(app, "ask", ASKED, files=[Attachment.from_bytes(b"# Note", name="a.md")])
    assert paths(emulator) == [RULES]


def test_an_app_without_files_says_so_in_place_of_forgetting_them(emulator: Emulator, call: Callable[..., Any]) -> None:
    with pytest.raises(BotUsageError, match="the app takes none, and would answer as if none were there"):
        call(DifyApp(emulator.dify_key, emulator.dify_url), "ask", ASKED, files=[PICTURE])
    assert QUESTION not in paths(emulator)


def test_a_file_that_is_not_there_is_refused_where_it_is_named(emulator: Emulator) -> None:
    with pytest.raises(BotUsageError, match="no file"):
        Attachment.from_path("/nowhere/sky.png")
    assert emulator.requests == []


@pytest.mark.parametrize("platform", ["dify", "gptbots"])
def test_a_file_that_is_gone_by_now_is_refused_by_the_platform_and_nothing_is_posted(
    platform: str, app: DifyApp, emulator: Emulator, call: Callable[..., Any], tmp_path: Any
) -> None:
    bot = app if platform == "dify" else GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)
    path = tmp_path / "sky.png"
    path.write_bytes(PNG)
    file = Attachment.from_path(path)
    path.unlink()

    with pytest.raises(BotUsageError, match=rf"^{platform}: files: .*sky.png' cannot be read .* Give a file that can"):
        call(bot, "ask", ASKED, files=[file])
    assert {request.method for request in emulator.requests} <= {"GET"}


def test_an_upload_goes_with_many_questions_of_its_user_and_with_nobody_elses(
    app: DifyApp, emulator: Emulator, call: Callable[..., Any], tmp_path: Any
) -> None:
    path = tmp_path / "sky.png"
    path.write_bytes(PNG)
    file = call(app, "upload", path)

    for _ in range(2):
        assert "You sent sky.png." in call(app, "ask", ASKED, files=[file]).text
    assert call(app, "download", file.file_id) == PNG
    with pytest.raises(BotRejectedError, match="Upload the file again, as the same user that asks"):
        call(app, "ask", ASKED, files=[file], user="bob")
    assert paths(emulator).count(UPLOAD) == 1


def test_gptbots_has_no_uploads_and_says_so(emulator: Emulator, call: Callable[..., Any]) -> None:
    agent = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)
    for name, argument in (("upload", PICTURE), ("download", "f-1")):
        with pytest.raises(BotUsageError, match=rf"^gptbots: .*{name}"):
            call(agent, name, argument)
