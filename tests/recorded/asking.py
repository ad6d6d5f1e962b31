"""The recorded questions, asked by the library; and what came of it, in the form that tests compare."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, cast

from remote_chatbots import (
    Answer,
    AsyncBotClient,
    Attachment,
    BotClient,
    BotError,
    BotReplyError,
    DifyApp,
    Question,
    Settings,
    Step,
)
from remote_chatbots.attachments import AttachmentKind
from tests.recorded.recordings import IDS, Recording, Told, questions, told_by
from tests.recorded.steps import steps_of

KEY = "app-a-key-of-the-tests"
DRIVERS = ("requests", "aiohttp")
# A test that hangs must not hang for the five minutes of the default.
TIMEOUT_S = 20.0
# What comes after a turn's last event (speech) must not depend on how fast the machine plays it. The recorded bodies
# end by themselves, so nobody waits so long.
PATIENT = Settings(end_grace_s=5.0)

# Recordings whose request this library cannot make, and why.
NOT_ASKED = {
    "chat-block-files-when-off": "an app that takes no files is not asked with one",
    "chat-block-inputs-a-list": "inputs are a mapping here",
    "err-body-json-as-text": "JSON goes out as application/json",
    "err-body-wrong-type": "JSON goes out as application/json",
    "err-empty-user": "a question without a user is refused before it is sent",
    "err-files-bad-transfer-method": "an attachment has a url or a file id, so one of the two methods",
    "err-missing-query": "a question has a text",
    "err-missing-user": "a question without a user is refused before it is sent",
    "err-query-empty": "an empty question is refused before it is sent",
}
ASKED = [exchange for exchange in questions() if exchange.name not in NOT_ASKED]


def question_of(exchange: Recording) -> Question:
    """Return the recorded question."""
    sent = exchange.sent
    return Question(
        sent["query"],
        user=sent["user"],
        conversation_id=sent.get("conversation_id") or "",
        inputs=sent["inputs"],
        files=[_attachment(file) for file in sent.get("files", [])],
        blocking=sent.get("response_mode", "blocking") == "blocking",
    )


def _attachment(told: Mapping[str, str]) -> Attachment:
    kind = cast("AttachmentKind", told["type"])
    if told["transfer_method"] == "remote_url":
        return Attachment(kind, url=told["url"])
    return Attachment(kind, file_id=told["upload_file_id"])


def ask(
    driver: str, url: str, question: Question, *, timeout_s: float = TIMEOUT_S, settings: Settings = PATIENT
) -> Answer | BotError:
    """Ask with a new client of `driver`; return the answer, or the error that was raised."""
    app = DifyApp(KEY, url, settings=settings)

    async def ask_async() -> Answer:
        async with AsyncBotClient(app, timeout=timeout_s) as client:
            return await client.ask(question)

    try:
        if driver == "aiohttp":
            return asyncio.run(ask_async())
        with BotClient(app, timeout=timeout_s) as client:
            return client.ask(question)
    except BotError as error:
        return error


def outcome_of(got: Answer | BotError) -> dict[str, Any]:
    """Return what `got` says, to be compared with `expected_of`."""
    if isinstance(got, BotError):
        return outcome_of_error(got)
    usage = got.usage
    return {
        "text": got.text,
        "reasoning": got.reasoning,
        **{name: getattr(got, name) for name in IDS},
        "created_at": got.created_at,
        "finish_reason": got.finish_reason,
        "replaced": got.replaced,
        "usage": usage and usage.raw,
        "tokens": usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
        "price": usage and (usage.total_price, usage.currency),
        "resources": [source.raw for source in got.sources],
        "sources": [(s.content, s.title, s.segment_id, s.score, s.position) for s in got.sources],
        "metadata": got.metadata,
        "steps": [_known(step) for step in got.steps],
        "forms": list(got.input_required),
        "speech": b"".join(media.data for media in got.media),
        "unrecognized": got.unrecognized,
    }


def _known(step: Step) -> dict[str, Any]:
    """Return what is known of a step, but for what the server sent."""
    values = {name.name: getattr(step, name.name) for name in fields(step) if name.name != "raw"}
    return {name: value for name, value in values.items() if value not in ("", None)}


def outcome_of_error(error: BotError) -> dict[str, Any]:
    """Return what `error` says, to be compared with `expected_of_error`."""
    reply = error if isinstance(error, BotReplyError) else None
    return {
        "raises": type(error),
        "http_status": reply and reply.http_status,
        "code": reply and reply.code,
        "in_stream": reply and reply.in_stream,
        "partial_text": error.partial_text,
        **{name: getattr(error, name) for name in IDS},
    }


def expected_of(exchange: Recording) -> dict[str, Any]:
    """Return what the recording says must come of the recorded question."""
    told = told_by(exchange)
    return _expected_answer(told) if told.failure is None else expected_of_error(told)


def expected_of_error(told: Told) -> dict[str, Any]:
    """Return what the error must say of a turn that failed."""
    failure = told.failure
    assert failure is not None
    return {
        "raises": failure.kind,
        "http_status": failure.http_status,
        "code": failure.code,
        "in_stream": failure.in_stream,
        "partial_text": told.answer,
        **told.ids,
    }


def _expected_answer(told: Told) -> dict[str, Any]:
    usage = told.usage
    return {
        "text": told.answer,
        "reasoning": told.reasoning,
        **told.ids,
        "created_at": told.created_at,
        "finish_reason": told.finish_reason,
        "replaced": told.replaced,
        "usage": usage,
        "tokens": usage and (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]),
        "price": usage and (Decimal(usage["total_price"]), usage["currency"]),
        "resources": told.resources,
        "sources": [
            (item["content"], item["document_name"], item["segment_id"], item["score"], item["position"])
            for item in told.resources
        ],
        "metadata": told.metadata,
        "steps": steps_of(told.events),
        "forms": told.forms,
        "speech": told.speech,
        "unrecognized": (),
    }
