"""What bodies of refusals may hold that no platform documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import BotAuthError, BotError, BotRateLimitError
from remote_chatbots.platforms.dify import errors as dify
from remote_chatbots.platforms.gptbots import errors as gptbots
from remote_chatbots.wire import ResponseHead

Refusal = Callable[[ResponseHead, bytes], BotError]
BOTH = pytest.mark.parametrize("refusal", [dify.refusal, gptbots.refusal], ids=["dify", "gptbots"])


@BOTH
@pytest.mark.parametrize("named", ["0", "200", "-1", "true", "99999", '"error"', "null"])
@pytest.mark.parametrize(("status", "kind"), [(401, BotAuthError), (429, BotRateLimitError)])
def test_a_status_in_the_body_that_is_none_does_not_hide_that_of_the_head(
    refusal: Refusal, named: str, status: int, kind: type[BotError]
) -> None:
    error: Any = refusal(ResponseHead(status, {}), f'{{"status": {named}, "message": "No."}}'.encode())

    assert type(error) is kind
    assert error.http_status == status


@BOTH
def test_no_control_character_of_a_server_gets_into_a_message(refusal: Refusal) -> None:
    body = b'{"code": "a\\u001b[31m\\r\\nb", "message": "c\\u0000\\u001b]0;d\\u0007 \\u0085\\u202ee"}'

    told = str(refusal(ResponseHead(400, {}), body))

    assert told.isprintable()
    assert all(letter in told for letter in "abcde")


@BOTH
@pytest.mark.parametrize(("asked", "told"), [("120", "120 s"), ("0.4", "1 s"), ("0", ""), ("soon", "")])
def test_a_refusal_says_how_long_the_server_asks_to_wait_and_ends_with_what_to_do(
    refusal: Refusal, asked: str, told: str
) -> None:
    message = str(refusal(ResponseHead(429, {"retry-after": asked}), b'{"message": "Too much."}'))

    assert message.endswith(
        f"Too much. It asks to wait for {told}. Wait and ask again." if told else "Wait and ask again."
    )
    assert ("It asks" in message) == bool(told)
