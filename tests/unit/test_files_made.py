"""Files that a bot makes: told once, whoever tells of them first, and until when their addresses are good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import DifyApp, MediaProduced, Question
from remote_chatbots.signed_urls import DIFY_S, expires_at

SIGNED = "https://h/files/tools/5e.png?timestamp=1767225600&nonce=ab&sign=cd"
MADE = {"id": "mf-1", "type": "image", "belongs_to": "assistant", "url": SIGNED}
AT_THE_END = {
    "related_id": "mf-1",
    "type": "image",
    "transfer_method": "tool_file",
    "url": SIGNED,
    "filename": "5e.png",
}
OWN = {
    "related_id": "mf-2",
    "type": "image",
    "transfer_method": "local_file",
    "url": "https://h/own",
    "filename": "o.png",
}
OF_RUN = {"dify_model_identity": "__dify__file__", "id": None, "related_id": "tf-1", "type": "document",
          "transfer_method": "tool_file", "url": "https://h/r.pdf", "mime_type": "application/pdf",
          "filename": "r.pdf"}  # fmt: skip
RUN: dict[str, Any] = {"event": "workflow_finished", "data": {"status": "succeeded", "files": [OF_RUN]}}


def end(*files: dict[str, Any]) -> dict[str, Any]:
    return {"event": "message_end", "metadata": {}, "files": list(files)}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([{"event": "message_file", **MADE}, end(AT_THE_END, OWN)], [("image", SIGNED, "mf-1", "")]),
        ([end(OWN)], []),
        ([end(OWN, AT_THE_END)], [("image", SIGNED, "mf-1", "5e.png")]),
        ([{"event": "message_file", **MADE, "belongs_to": "user"}, end()], []),
        ([{"event": "workflow_started", "data": {}}, end(OF_RUN), RUN],
            [("document", "https://h/r.pdf", "tf-1", "r.pdf")]),
        ([{"event": "workflow_started", "data": {}}, RUN, end(OF_RUN)],
            [("document", "https://h/r.pdf", "tf-1", "r.pdf")]),
    ],
    ids=["an agent's", "the user's own", "told at the end alone", "the user's at once", "a run's", "0.15's run"],
)  # fmt: skip
def test_a_file_that_the_bot_made_is_told_once_and_the_users_own_is_not(
    told: list[Any], events: list[Any], framed: Callable[..., bytes], app: DifyApp, drive: Callable[..., Any]
) -> None:
    played = drive(app.ask(Question("Draw", user="ann")), [framed(*events)])

    found = [(one.kind, one.url, one.id, one.name) for one in played.events if isinstance(one, MediaProduced)]
    assert found == told
    assert [one.url for one in played.answer.media] == [url for _, url, _, _ in told]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (SIGNED, 1767225600 + DIFY_S),
        ("https://s3/x?X-Amz-Date=20260101T000000Z&X-Amz-Expires=600&X-Amz-Signature=a", 1767225600 + 600),
        ("https://oss/x?Expires=1767225600&Signature=a", 1767225600),
        ("https://h/x.png", None),
        ("https://h/x?timestamp=now&nonce=ab&sign=cd", None),
        ("https://h/x?Expires=1767225600", None),
        ("", None),
    ],
)
def test_an_address_says_until_when_it_is_good(url: str, told: int | None) -> None:
    assert expires_at(url) == told
    assert MediaProduced("image", url=url).expires_at == told
