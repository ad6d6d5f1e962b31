"""The journal of bulk asking: what a run wrote is what the next one reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    BotRateLimitError,
    BotTimeoutError,
    BotUsageError,
    MediaProduced,
    Question,
    Source,
    Step,
    Unrecognized,
    Usage,
)
from remote_chatbots.bulk.journal import Journal
from remote_chatbots.bulk.questions import Item, items
from remote_chatbots.bulk.written import answer_as_json, answer_of, error_as_json, error_of, line_of

BOT = "dify:host:0123"
ONE, TWO = items(["One?", "Two?"], lambda text: Question(text, user="anna"))

WHOLE = Answer(
    text="It leaves at nine. ☃ \U0001f600",
    conversation_id="c-1",
    message_id="m-1",
    created_at=1767225600,
    finish_reason="paused",
    usage=Usage(
        1, 2, 3, Decimal("0.0000340"), "USD", raw={"total_price": "0.0000340"}, prompt_price=Decimal("0.0000040")
    ),
    sources=(Source("text", "ferry.md", score=0.5, spans=((0, 2), (4, 9)), raw={"score": 0.5}), Source()),
    reasoning="Nine, then.",
    steps=(Step("s-1", "node", raw={"a": [1]}),),
    media=(MediaProduced("audio", data=b"\x00\xff"), MediaProduced("image", url="https://files.example.com/1")),
    input_required=({"form_token": "t"},),
    replaced=True,
    metadata={"x": {"y": None}},
    unrecognized=(Unrecognized("new_event", {"event": "new_event"}),),
)


async def written(path: Path, answer: Answer = WHOLE) -> None:
    journal = Journal(path, BOT)
    await journal.asked(ONE, 5.0)
    journal.begun(ONE, {"conversation_id": "c-1"})
    journal.begun(ONE, {"message_id": "m-1"})
    await journal.asked(TWO, 6.0)
    journal.ended(ONE, "answered", answer_as_json(answer), elapsed_s=1.5)
    journal.close()


@pytest.mark.parametrize("answer", [WHOLE, Answer("Yes.")])
def test_an_answer_comes_back_from_json_as_it_was(answer: Answer) -> None:
    assert answer_of(json.loads(json.dumps(answer_as_json(answer)))) == answer


def test_an_error_comes_back_from_json_with_its_class_and_what_it_knows() -> None:
    error = BotRateLimitError("dify: 429: wait.", http_status=429, retry_after_s=3.0, conversation_id="c-1")
    again = error_of(json.loads(json.dumps(error_as_json(error))))
    assert type(again) is BotRateLimitError
    assert (again.message, again.details()) == (error.message, error.details())


def test_an_error_of_a_class_of_others_is_kept_as_the_one_of_ours_that_it_is() -> None:
    class Twin(BotTimeoutError):
        pass

    assert type(error_of(error_as_json(Twin("dify: late.", phase="total")))) is BotTimeoutError


async def test_the_next_run_reads_what_the_last_one_wrote(tmp_path: Path) -> None:
    await written(tmp_path / "journal")
    journal = Journal(tmp_path / "journal", BOT)
    one, two = journal.entry(ONE), journal.entry(TWO)
    assert one is not None
    assert two is not None
    assert (one.state, one.ids, one.since) == ("answered", {"conversation_id": "c-1", "message_id": "m-1"}, 5.0)
    assert (two.state, two.ids, two.since) == ("asked", {}, 6.0)
    assert journal.end_of(one, lambda told: answer_of(told["answered"])) == WHOLE
    journal.close()


async def test_a_journal_that_was_cut_at_any_byte_tells_what_its_whole_lines_tell(tmp_path: Path) -> None:
    await written(tmp_path / "journal", Answer("Yes."))
    whole = (tmp_path / "journal").read_bytes()
    for length in range(len(whole)):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:length])
        journal = Journal(cut, BOT)
        lines = whole[:length].count(b"\n")
        one = journal.entry(ONE)
        assert (one and one.state) == (None if lines < 2 else "asked")
        assert (journal.entry(TWO) is not None) == (lines > 4)
        journal.ended(TWO, "unknown", {})  # what is appended begins a line
        journal.close()
        assert all(json.loads(line) for line in cut.read_bytes().splitlines())


async def test_a_question_is_not_asked_once_the_server_put_it_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", BOT)
    await journal.asked(ONE, 1.0)
    journal.put_off(ONE)
    journal.close()
    entry = Journal(tmp_path / "journal", BOT).entry(ONE)
    assert entry is not None
    assert entry.state == "put_off"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"id": 1}\n', "is no journal"),
        (b"id,question\n1,When?\n", "is no journal"),
        (b"my only notes, without a line's end", "is no journal"),
        (b'{"journal": "remote_chatbots.bulk", "version": 2, "bot": "dify:host:0123"}\n', "is no journal"),
        (b'{"journal": "remote_chatbots.bulk", "version": 1, "bot": "dify:host:9999"}\n', "dify:host:9999"),
        (b'{"journal": "remote_chatbots.bulk", "version": 1, "bot": "dify:host:0123"}\n{"id"\n{}\n', "damaged at byte"),
    ],
)
def test_what_is_no_journal_of_this_bot_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(BotUsageError, match=told):
        Journal(path, BOT)
    assert path.read_bytes() == content


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an answer that is none": lambda line: line.update(answered=1.5),
    "a price that is none": lambda line: line["answered"]["usage"].update(total_price="x"),
    "a price of a price": lambda line: line["answered"]["usage"].update(total_price={}),
    "usage that is none": lambda line: line["answered"].update(usage=1.5),
    "steps that are none": lambda line: line["answered"].update(steps=-1),
    "an unknown field": lambda line: line["answered"].update(surprise=1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
async def test_an_answer_that_somebody_else_wrote_into_is_damage(tmp_path: Path, damage: Callable[..., Any]) -> None:
    await written(tmp_path / "journal")
    lines = (tmp_path / "journal").read_text("utf-8").splitlines()
    at = next(at for at, line in enumerate(lines) if '"answered"' in line)
    line = json.loads(lines[at])
    damage(line)
    lines[at] = json.dumps(line)
    (tmp_path / "journal").write_text("\n".join(lines) + "\n", "utf-8")
    journal = Journal(tmp_path / "journal", BOT)
    entry = journal.entry(ONE)
    assert entry is not None
    with pytest.raises(BotUsageError, match=f"damaged at byte {entry.at}"):
        journal.end_of(entry, lambda told: answer_of(told["answered"]))
    journal.close()


@pytest.mark.parametrize("line", [
    '{"id": "0", "begun": {"conversation_id": [[]]}}', '{"id": "0", "begun": "c-1"}',
    '{"id": "0", "asked": "d", "since": {}}', '{"id": [], "asked": "d", "since": 1}', "[]", "5", '{"id": "0"}',
])  # fmt: skip
async def test_a_line_that_somebody_else_wrote_is_damage(tmp_path: Path, line: str) -> None:
    await written(tmp_path / "journal")
    with (tmp_path / "journal").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(BotUsageError, match="damaged at byte"):
        Journal(tmp_path / "journal", BOT)


async def test_a_journal_of_other_questions_is_refused(tmp_path: Path) -> None:
    await written(tmp_path / "journal")
    journal = Journal(tmp_path / "journal", BOT)
    (other,) = items(["Three?"], lambda text: Question(text, user="anna"))
    with pytest.raises(BotUsageError, match="other questions: '0'"):
        journal.entry(other)
    (of_another_user,) = items(["One?"], lambda text: Question(text, user="bert"))
    with pytest.raises(BotUsageError, match="another user"):
        journal.entry(of_another_user)
    journal.close()


def test_two_runs_cannot_have_one_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal", BOT)
    with pytest.raises(BotUsageError, match="in use by another run"):
        Journal(tmp_path / "journal", BOT)
    first.close()
    Journal(tmp_path / "journal", BOT).close()


@pytest.mark.parametrize("path", [3, 1.5, ["journal"]])
def test_what_is_no_path_is_no_journal(path: Any) -> None:
    with pytest.raises(BotUsageError, match=r"^journal must be a path, not \w+\. Give "):
        Journal(path, BOT)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/journal", "No such file or directory"),
        ("a file/journal", "Not a directory"),
        ("a folder", "Is a directory"),
        ("half\0", "null"),
    ],
)
def test_a_journal_that_cannot_be_opened_is_refused_by_its_path(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").touch()
    with pytest.raises(BotUsageError, match=rf"^The journal '.*' cannot be opened \(.*{why}.*\)\. Give "):
        Journal(f"{tmp_path}/{path}", BOT)


def test_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", BOT).close()
    assert (tmp_path / "journal").stat().st_mode & 0o077 == 0


def test_items_differ_by_whatever_is_sent() -> None:
    def digest(**given: object) -> str:
        item: Item = next(iter(items([{"question": "One?", **given}], Question)))
        return item.digest

    told = [{}, {"user": "bert"}, {"inputs": {"a": 1}}, {"conversation_id": "c"}, {"options": {"trace_id": "t"}}]
    assert len({digest(**given) for given in told}) == len(told)
    assert digest(inputs={"a": 1, "b": 2}) == digest(inputs={"b": 2, "a": 1})


def test_a_line_holds_no_character_that_ends_one_or_that_a_terminal_obeys_and_reads_back_the_same() -> None:
    odd = "\x1b[31m \x9b31m \x85 \u2028 \u2029 \u202e \u2066 \ufeff \ud800 \n\r\x00 你好 👋🌍 👩\u200d👧"
    line = line_of({"text": odd})
    assert json.loads(line) == {"text": odd}
    assert len(line.splitlines()) == 1
    assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\ufeff"} & set(line)
    assert "你好 👋🌍 👩\u200d👧" in line
    line.encode()
