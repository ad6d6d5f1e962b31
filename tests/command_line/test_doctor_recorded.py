"""The doctor is right about every refusal that was recorded of real servers: played on a socket, and told in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remote_chatbots.cli import main
from remote_chatbots.cli.ends import (
    APP_NOT_READY,
    AT_A_LIMIT,
    NO_CONNECTION,
    REFUSED_KEY,
    SERVER_FAILED,
    WRONG_ADDRESS,
    WRONG_USE,
)
from tests.covering import covering
from tests.recorded.recordings import WIRE, Recording, events_of, recording
from tests.recorded.replay import ReplayServer, reply_of

KEY = "app-a-key-that-must-not-show"

# What each refusal means, by its name.
BY_NAME = {
    "err-app-api-disabled-stream": "api_disabled",
    "err-chatflow-unpublished-block": "unpublished",
    "err-chatflow-unpublished-stream": "unpublished",
    "err-dataset-key-on-app": "key",
    "err-no-auth": "login_lost",
    "err-model-removed-block": "no_model",
    "err-nginx-504-block": "proxy_gave_up",
    "err-nginx-504-stream": "proxy_gave_up",
    "err-unknown-path": "wrong_address",
    "chat-block-model-fail401": "model_key",
    "chat-stream-model-fail401": "model_key",
    "chat-block-model-fail429": "model_limit",
    "chat-stream-model-fail429": "model_limit",
    "chatflow-block-model-fail500": "run_failed",
    "chatflow-stream-model-fail500": "run_failed",
    "chat-stream-server-killed": "broken",
    "chat-stream-server-killed-via-nginx": "broken",
    "err-input-not-a-string": "inputs",
    "err-input-not-an-option": "inputs",
    "err-input-too-long": "inputs",
    "err-input-too-long-chatflow-block": "inputs",
    "err-required-input-missing-chatflow-block": "inputs",
    "err-required-input-missing-chatflow-stream": "inputs",
    "err-required-input-missing-stream": "inputs",
}
# Of the others, by the server's code.
BY_CODE = {
    "bad_request": "request_refused",
    "bad_request_key_error": "request_refused",
    "completion_request_error": "model_failed",
    "file_not_found": "not_found",
    "filename_not_exists_error": "request_refused",
    "human_input_form_submitted": "request_refused",
    "internal_server_error": "server_failed",
    "invalid_param": "request_refused",
    "method_not_allowed": "wrong_address",
    "no_file_uploaded": "request_refused",
    "not_chat_app": "wrong_kind",
    "not_found": "not_found",
    "not_workflow_app": "wrong_kind",
    "unauthorized": "key",
    "unknown": "server_failed",
    "unsupported_audio_type": "request_refused",
    "unsupported_media_type": "request_changed",
}
CODES = {
    "api_disabled": APP_NOT_READY, "broken": NO_CONNECTION, "inputs": WRONG_USE, "key": REFUSED_KEY,
    "login_lost": REFUSED_KEY, "model_failed": SERVER_FAILED, "model_key": SERVER_FAILED, "model_limit": SERVER_FAILED,
    "no_model": APP_NOT_READY, "not_found": APP_NOT_READY, "proxy_gave_up": SERVER_FAILED,
    "request_changed": NO_CONNECTION, "request_refused": APP_NOT_READY, "run_failed": SERVER_FAILED,
    "server_failed": SERVER_FAILED, "too_many_requests": AT_A_LIMIT, "unpublished": APP_NOT_READY,
    "wrong_address": WRONG_ADDRESS, "wrong_kind": APP_NOT_READY,
}  # fmt: skip
# Silence that no recording plays in less than five minutes: asked of the emulator elsewhere.
SILENT = {"err-unknown-conversation-chatflow-stream", "err-required-input-missing-chatflow-stream"}


def failed_in_stream(exchange: Recording) -> bool:
    if not exchange.streams or exchange.name.startswith("disconnect-") or exchange.name == "resume-1-stream-cut":
        return False
    events = events_of(exchange.body)
    if exchange.version == "1.14.2" and exchange.name in SILENT:
        return False
    return not exchange.whole or any(
        event["event"] == "error" or (event.get("data") or {}).get("status") == "failed" for event in events
    )


ALL = [recording(path.parent.name, path.stem) for path in sorted(WIRE.glob("*/*.json"))]
REFUSED = [exchange for exchange in ALL if exchange.status >= 400]
FAILED = [exchange for exchange in ALL if exchange.status < 400 and failed_in_stream(exchange)]


def said_by(exchange: Recording) -> dict[str, Any]:
    """Return what the server said, its code and message; of a page nothing."""
    if exchange.streams:
        told = [event for event in events_of(exchange.body) if event["event"] == "error"]
        return told[-1] if told else {}
    is_json = exchange.headers["Content-Type"].startswith("application/json")
    return dict(json.loads(exchange.body)) if is_json else {}


def expected_kind(exchange: Recording) -> str:
    return BY_NAME.get(exchange.name) or BY_CODE[said_by(exchange)["code"]]


QUESTIONS = [each for each in (*REFUSED, *FAILED) if each.target == "/v1/chat-messages"]


def sampled(exchanges: list[Recording]) -> list[Any]:
    """Return recordings as parameters: of each kind and code of refusal, one of either server is in the sample."""
    chosen = {(expected_kind(one), said_by(one).get("code"), one.version, one.streams): one for one in exchanges}
    return covering(exchanges, chosen=lambda one: one in chosen.values())


def examined(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], replies: list[Recording], *more: str
) -> tuple[int, Any, str]:
    """Return the exit code, what is said for programs, and what is said for people."""
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with ReplayServer(*map(reply_of, replies)) as server:
        monkeypatch.setenv("DIFY_BASE_URL", server.url)
        code = main(["doctor", *more, "--json"])
    told = capsys.readouterr()
    with ReplayServer(*map(reply_of, replies)) as server:
        monkeypatch.setenv("DIFY_BASE_URL", server.url)
        assert main(["doctor", *more]) == code
    words = capsys.readouterr()
    for text in (told.out, told.err, words.out, words.err):
        assert KEY not in text
        assert "\x1b" not in text
    return code, json.loads(told.out), words.out


def holds(told: Any, exchange: Recording, code: int, words: str) -> None:
    kind = expected_kind(exchange)
    (problem,) = told["problems"]
    assert problem["kind"] == kind
    assert code == told["exit_code"] == CODES[kind]
    assert told["ok"] is False
    for part in ("cause", "cure"):
        assert " ".join(problem[part].split())[:40] in " ".join(words.split())
    sentence = str(said_by(exchange).get("message", "")).split("\n")[0].partition(" You have requested")[0]
    sentence = sentence.removeprefix("Run failed: ")  # the event before it has the same without these words
    assert sentence[:40].rstrip(". ") in problem["told"]


@pytest.mark.parametrize("exchange", sampled(REFUSED))
def test_a_recorded_refusal_of_the_first_call_is_understood(
    exchange: Recording, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, words = examined(monkeypatch, capsys, [exchange])
    holds(told, exchange, code, words)


@pytest.mark.parametrize("exchange", sampled(QUESTIONS))
def test_a_recorded_refusal_of_a_question_is_understood(
    exchange: Recording, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    about = [recording(exchange.version, "chatflow-parameters"), recording(exchange.version, "chatflow-info")]
    code, told, words = examined(monkeypatch, capsys, [*about, exchange], "--ask", "Hello?")
    holds(told, exchange, code, words)
    assert told["app"]["name"] == said_by(about[1])["name"]


@pytest.mark.parametrize("version", ["0.15.3", "1.14.2"])
def test_the_key_of_a_knowledge_base_is_told_from_one_that_is_unknown(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = recording(version, "datasets-list")
    monkeypatch.setenv("DIFY_API_KEY", "dataset-a-key-that-must-not-show")
    with ReplayServer(reply_of(recording(version, "err-dataset-key-on-app")), reply_of(listed)) as server:
        assert main(["doctor", "--base-url", server.url, "--json"]) == REFUSED_KEY
        assert [request.path.partition("?")[0] for request in server.received] == ["/v1/parameters", "/v1/datasets"]
    told = capsys.readouterr().out
    (problem,) = json.loads(told)["problems"]
    assert problem["kind"] == "dataset_key"
    kept = [(one["name"], one["id"], one["document_count"]) for one in said_by(listed)["data"]]
    told_of = json.loads(told)["knowledge_bases"]
    assert [(one["name"], one["dataset_id"], one["documents"]) for one in told_of] == kept
    assert "must-not-show" not in told


@pytest.mark.parametrize("version", ["0.15.3", "1.14.2"])
def test_a_sound_app_is_described_as_recorded(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [recording(version, name) for name in ("chat-parameters", "chat-info", "chat-stream-1-first-turn")]
    said = said_by(replies[0])
    # The recorded form is required to be filled in, or not, as the app has it.
    fields = [field for control in said["user_input_form"] for field in control.values()]
    inputs = [part for one in fields if one["required"] for part in ("--input", f"{one['variable']}=x")]
    code, told, words = examined(monkeypatch, capsys, replies, "--ask", "Hello?", *inputs)
    assert (code, told["ok"], told["problems"]) == (0, True, [])
    assert told["app"]["name"] == said_by(replies[1])["name"]
    assert [one["name"] for one in told["inputs"]] == [one["variable"] for one in fields]
    assert told["features"]["citations"] is said["retriever_resource"]["enabled"]
    assert told["features"]["speech_to_text"] is said["speech_to_text"]["enabled"]
    assert told["server_version"] == replies[0].headers["X-Version"] == version
    answer = "".join(event["answer"] for event in events_of(replies[2].body) if event["event"] == "message")
    assert told["answer"]["text"] == answer
    assert told["answer"]["first_token_s"] <= told["answer"]["total_s"]
    assert words.rstrip().endswith("All is well.")
