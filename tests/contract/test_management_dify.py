"""The small calls beside a Dify app's answers, over a socket, in both colours and on a server of each age."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    BotClient,
    BotNotFoundError,
    BotRejectedError,
    BotServerError,
    BotUsageError,
    DifyApp,
    Question,
    TextDelta,
)
from remote_chatbots.emulator import Emulator

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def app(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.dify_key, emulator.dify_url)


@pytest.fixture
def flow(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.key("advanced-chat"), emulator.dify_url)


@pytest.fixture(scope="module")
def apps(emulator: Emulator) -> Iterator[dict[str, DifyApp]]:
    """A chat app on a server of each age."""
    with Emulator("2023", token_delay_s=0) as oldest, Emulator("0.15", token_delay_s=0) as older:
        servers = {"2023": oldest, "0.15": older, "1.14": emulator}
        yield {age: DifyApp(server.dify_key, server.dify_url) for age, server in servers.items()}


UNKNOWN = "0b8e2b9e-0000-4000-8000-000000000000"
every_age = pytest.mark.parametrize("age", ["2023", "0.15", "1.14"])


def begun(call: Call, app: DifyApp, text: str = "When does the ferry leave?") -> Answer:
    """Ask in a new conversation; the whole answer, because a stream of 2023 names no conversation."""
    answer: Answer = call(app, "ask", Question(text, user="anna", blocking=True))
    return answer


def test_the_history_of_a_dify_conversation_has_each_question_and_its_answer(app: DifyApp, call: Call) -> None:
    first = call(app, "ask", "When does the ferry leave?")
    second = call(app, "ask", "And on Sundays?", conversation_id=first.conversation_id)

    told = call(app, "history", first.conversation_id)

    assert [(one.role, one.text) for one in told] == [
        ("user", "When does the ferry leave?"),
        ("assistant", first.text),
        ("user", "And on Sundays?"),
        ("assistant", second.text),
    ]
    assert [one.message_id for one in told] == [first.message_id] * 2 + [second.message_id] * 2
    assert [one.title for one in told[1].sources] == [one.title for one in first.sources]
    assert call(app, "history", first.conversation_id, limit=1) == told[-1:]


@pytest.mark.parametrize("age", ["1.14", *(pytest.param(age, marks=pytest.mark.matrix) for age in ("2023", "0.15"))])
def test_a_dify_history_longer_than_a_page_is_whole_though_turns_share_a_second(
    apps: dict[str, DifyApp], age: str
) -> None:
    # Four turns to a second; a page of a hundred begins within one.
    queries = [f"{'[[same]] ' if number % 4 else ''}{number}" for number in range(126)]
    with BotClient(apps[age], user="long") as client:
        conversation_id = ""
        for query in queries:
            # A stream of 2023 does not tell its conversation.
            asked = Question(query, conversation_id=conversation_id, user="long", blocking=True)
            conversation_id = client.ask(asked).conversation_id
        told = client.history(conversation_id)
        newest = client.history(conversation_id, limit=7)

    assert {one.text for one in told if one.role == "user"} == set(queries)
    seconds = [int(one.text.rpartition(" ")[2]) // 4 for one in told if one.role == "user"]
    assert seconds == [number // 4 for number in range(126)]
    assert {one.message_id for one in newest} <= {one.message_id for one in told[-8:]}
    assert [one.role for one in newest] == ["assistant", *["user", "assistant"] * 3]


def test_a_failed_turn_is_in_the_history_with_its_reason(app: DifyApp, call: Call) -> None:
    with pytest.raises(BotServerError) as failed:
        call(app, "ask", "Tell me [[failmid]]")
    question, answer = call(app, "history", failed.value.conversation_id)
    assert (question.text, question.error) == ("Tell me [[failmid]]", "")
    assert answer.text == ""
    assert answer.error
    assert answer.error in str(failed.value)


def test_dify_conversations_are_listed_newest_first(app: DifyApp, call: Call) -> None:
    begun = [call(app, "ask", f"Question {number}", user="lister").conversation_id for number in range(3)]

    told = call(app, "conversations", user="lister")

    assert {one.conversation_id for one in told} >= set(begun)
    assert [one.updated_at for one in told] == sorted((one.updated_at for one in told), reverse=True)
    assert len(call(app, "conversations", user="lister", limit=2)) == 2


def test_a_dify_answer_is_rated_and_the_rating_taken_back_twice(app: DifyApp, call: Call) -> None:
    answer = call(app, "ask", "Hi")

    for rating in ("like", "dislike", None, None):
        call(app, "feedback", answer.message_id, rating)
        assert call(app, "history", answer.conversation_id)[-1].rating == rating


@every_age
def test_a_rating_is_in_the_history_of_every_age(apps: dict[str, DifyApp], call: Call, age: str) -> None:
    answer = begun(call, apps[age])
    call(apps[age], "feedback", answer.message_id, "like")
    assert [one.rating for one in call(apps[age], "history", answer.conversation_id)] == [None, "like"]


@every_age
def test_a_renamed_conversation_is_listed_by_its_name(apps: dict[str, DifyApp], call: Call, age: str) -> None:
    conversation_id = begun(call, apps[age]).conversation_id

    assert call(apps[age], "rename", conversation_id, "白兔 🐇 trip") == "白兔 🐇 trip"

    listed = call(apps[age], "conversations", limit=1)
    assert [(one.conversation_id, one.name, one.user) for one in listed] == [(conversation_id, "白兔 🐇 trip", "anna")]


@pytest.mark.parametrize("age", ["0.15", "1.14"])
def test_a_conversation_without_a_given_name_is_named_by_the_model(
    apps: dict[str, DifyApp], call: Call, age: str
) -> None:
    conversation_id = begun(call, apps[age]).conversation_id
    name = call(apps[age], "rename", conversation_id)
    assert name == "About: When does the ferry leave?"
    names = {one.conversation_id: one.name for one in call(apps[age], "conversations")}
    assert names[conversation_id] == name


def test_2023_names_no_conversation_by_itself(apps: dict[str, DifyApp], call: Call) -> None:
    conversation_id = begun(call, apps["2023"]).conversation_id
    with pytest.raises(BotRejectedError, match=r"^dify: 400 invalid_param"):
        call(apps["2023"], "rename", conversation_id)


@every_age
def test_a_deleted_conversation_is_unknown(apps: dict[str, DifyApp], call: Call, age: str) -> None:
    app = apps[age]
    kept, deleted = (begun(call, app).conversation_id for _ in range(2))

    assert call(app, "delete", deleted) is None

    listed = {one.conversation_id for one in call(app, "conversations")}
    assert (kept in listed, deleted in listed) == (True, False)
    for name, arguments in (("history", ()), ("delete", ()), ("rename", ("again",))):
        with pytest.raises(BotNotFoundError, match=r"^dify: 404 not_found: Conversation Not Exists\."):
            call(app, name, deleted, *arguments)
    with pytest.raises(BotNotFoundError):
        call(app, "ask", Question("Still there?", conversation_id=deleted, user="anna", blocking=True))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("history", ()),
        ("rename", ("mine",)),
        ("rename", ()),
        ("delete", ()),
        ("variables", ()),
        ("set_variable", ("party", 2)),
    ],
)
def test_a_conversation_of_another_user_is_unknown(
    flow: DifyApp, call: Call, name: str, arguments: tuple[Any, ...]
) -> None:
    conversation_id = call(flow, "ask", "Hi").conversation_id
    for held in (conversation_id, UNKNOWN):
        with pytest.raises(BotNotFoundError, match=r"^dify: 404 not_found: Conversation Not Exists\."):
            call(flow, name, held, *arguments, user="berta")
    assert [one.text for one in call(flow, "history", conversation_id)][:1] == ["Hi"]


def test_an_answer_of_another_user_is_unknown(app: DifyApp, call: Call) -> None:
    for message_id in (call(app, "ask", "Hi").message_id, UNKNOWN):
        for name, arguments in (("feedback", ("like",)), ("suggestions", ())):
            with pytest.raises(BotNotFoundError, match=r"^dify: 404 not_found: Message Not Exists\."):
                call(app, name, message_id, *arguments, user="berta")


def test_the_variables_of_a_conversation_have_their_types(flow: DifyApp, call: Call) -> None:
    told = call(flow, "variables", call(flow, "ask", "Hi").conversation_id)
    assert [(one.name, one.kind, one.value) for one in told] == [
        ("language", "string", "en"),
        ("party", "number", 1),
        ("stops", "array[string]", []),
        ("consent", "boolean", False),
        ("booking", "object", {}),
    ]


def test_a_chat_app_has_no_variables(app: DifyApp, call: Call) -> None:
    conversation_id = call(app, "ask", "Hi").conversation_id
    assert call(app, "variables", conversation_id) == []
    with pytest.raises(BotUsageError, match=r"no variable 'party'. Give one of: none\."):
        call(app, "set_variable", conversation_id, "party", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "it's 中文"),
        ("party", 4),
        ("party", 0.5),
        ("stops", ["pier 3", 'the captain\'s "hall"']),
        ("consent", True),
        ("booking", {"berth": None, "nights": [1, 2], "paid": False}),
    ],
)
def test_a_variable_that_is_set_by_name_or_by_id_is_read_back(flow: DifyApp, call: Call, name: str, value: Any) -> None:
    conversation_id = call(flow, "ask", "Hi").conversation_id
    held = {one.name: one for one in call(flow, "variables", conversation_id)}
    for named in (name, held[name].variable_id):
        told = call(flow, "set_variable", conversation_id, named, value)
        assert (told.name, told.variable_id, told.value) == (name, held[name].variable_id, value)
        now = {one.name: one.value for one in call(flow, "variables", conversation_id)}
        assert now == {each: one.value for each, one in held.items()} | {name: value}


def test_a_variable_takes_no_value_of_another_type(flow: DifyApp, call: Call) -> None:
    conversation_id = call(flow, "ask", "Hi").conversation_id
    with pytest.raises(BotRejectedError, match=r"^dify: 400 bad_request: .*party"):
        call(flow, "set_variable", conversation_id, "party", "four")


def test_an_older_dify_without_variables_says_that_the_call_may_be_missing(
    apps: dict[str, DifyApp], call: Call
) -> None:
    with pytest.raises(BotNotFoundError, match="older Dify may not have the call"):
        call(apps["0.15"], "variables", begun(call, apps["0.15"]).conversation_id)


def test_suggestions_are_given_where_the_app_has_them_on(emulator: Emulator, app: DifyApp, call: Call) -> None:
    suggested = call(app, "suggestions", call(app, "ask", "When does the ferry leave?").message_id)
    assert len(suggested) == 3
    assert "ferry.md" in suggested[0]
    silent = DifyApp(emulator.key("chat-required"), emulator.dify_url)
    answer = call(silent, "ask", "Hi", inputs={"city": "Bergen"})
    with pytest.raises(BotRejectedError, match=r"^dify: 400 bad_request: Suggested Questions Is Disabled\."):
        call(silent, "suggestions", answer.message_id)


def test_an_answer_can_be_stopped_from_elsewhere_by_its_own_user_alone(emulator: Emulator, app: DifyApp) -> None:
    with BotClient(app, user="anna") as client, client.stream("Go on [[slow]]") as stream:
        texts = []
        for event in stream:
            texts += [event.text] if isinstance(event, TextDelta) else []
            if len(texts) == 2:
                client.stop(stream.answer.task_id, user="berta")
            if len(texts) == 4:
                client.stop(stream.answer.task_id)
    assert 4 <= len(texts) < 50
    assert client_history(app, stream.answer.conversation_id) == "".join(texts)


def client_history(app: DifyApp, conversation_id: str) -> str:
    with BotClient(app, user="anna") as client:
        return client.history(conversation_id)[-1].text


def test_a_call_without_a_user_is_refused(app: DifyApp) -> None:
    with BotClient(app) as client, pytest.raises(BotUsageError, match=r"^dify: a user is needed"):
        client.conversations()
