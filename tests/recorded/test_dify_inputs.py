"""Inputs that real servers refused, or took: refused before they are sent, or taken, where the app's form is known.

What the form was is read from the refusals themselves: nobody recorded it.
"""

from __future__ import annotations

import ast
import re

import pytest

from remote_chatbots import BotUsageError, DifyApp, Question
from remote_chatbots.learned import Learned
from remote_chatbots.platforms.dify.discovery import parameters_of
from tests.recorded.asking import KEY
from tests.recorded.recordings import VERSIONS, Recording, questions, recording

ASKED = [
    each
    for each in questions()
    if each.name.startswith(("err-input-", "err-required-input-")) or each.name == "chat-extra-input-ignored"
]


def refusal_in(exchange: Recording) -> str:
    """Return the server's sentence; a chatflow of 1.14 has none in a stream."""
    found = re.search(r'"message": ?"(.* in input form.*?)", ?"status"', exchange.body.decode())
    return found[1] if found else ""


def learned_of(version: str) -> Learned:
    """Return what an app like the recorded one would have said of its form."""
    length = re.search(r"less than (\d+) characters", refusal_in(recording(version, "err-input-too-long")))
    options = re.search(r"following: (\[.*\])", refusal_in(recording(version, "err-input-not-an-option")))
    assert length
    assert options
    book = {"variable": "book", "label": "Book", "required": True, "max_length": int(length[1])}
    mode = {"variable": "mode", "label": "Mode", "required": False, "options": ast.literal_eval(options[1])}
    learned = Learned()
    learned.parameters = parameters_of({"user_input_form": [{"text-input": book}, {"select": mode}]})
    learned.server_version = version
    return learned


def test_seven_wrong_inputs_and_one_that_is_right_were_recorded_of_each_server() -> None:
    assert [sum(each.version == version for each in ASKED) for version in VERSIONS] == [8, 8]


@pytest.mark.parametrize("exchange", ASKED, ids=str)
def test_what_a_server_refused_is_refused_with_the_same_field_and_what_it_took_is_taken(exchange: Recording) -> None:
    app = DifyApp(KEY)
    question = Question(exchange.sent["query"], user=exchange.sent["user"], inputs=exchange.sent["inputs"])
    app.ask(question)  # the form is not known: the server has the word
    learned = learned_of(exchange.version)
    app.learned.parameters, app.learned.server_version = learned.parameters, learned.server_version
    if exchange.name == "chat-extra-input-ignored":
        assert exchange.status == 200
        app.ask(question)
        return
    told = refusal_in(exchange).removeprefix("(type 'text-input') ")
    assert told or exchange.body == b"event: ping\n\n"
    with pytest.raises(BotUsageError, match=rf"^dify: inputs: {told.partition(' ')[0] or 'book'} "):
        app.ask(question)
