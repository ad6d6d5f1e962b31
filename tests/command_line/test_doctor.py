"""The doctor, where no recording is: connections that fail, other servers, limits, the emulator's apps and agents."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots import BotConnectError, BotTimeoutError, DifyApp
from remote_chatbots.cli import main
from remote_chatbots.cli.diagnosis import diagnosed
from remote_chatbots.cli.doctor import QUESTION, api_near
from remote_chatbots.emulator import Emulator, Unavailable
from tests.recorded.replay import ReplayServer, Reply

KEY = "app-a-key-that-must-not-show"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what the doctor says for programs."""

    def examined(url: str, *more: str, key: str = KEY, platform: str = "dify") -> Any:
        monkeypatch.setenv(f"{platform.upper()}_API_KEY", key)
        code = main(["doctor", "--platform", platform, "--base-url", url, "--json", "--timeout", "5", *more])
        told = capsys.readouterr()
        assert key not in told.out + told.err
        report = json.loads(told.out)
        assert report["exit_code"] == code
        return report

    return examined


def kind_of(report: Any) -> tuple[str, int]:
    (problem,) = report["problems"]
    return problem["kind"], report["exit_code"]


def answering(status: int, body: str, content_type: str = "text/html", *headers: str) -> Reply:
    data = body.encode()
    lines = [f"HTTP/1.1 {status} Some", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
    return Reply("\r\n".join([*lines, "", ""]).encode(), (data,), (0.0,), chunked=False, whole=True, held_s=0.0)


PAGE = "<!doctype html><html><title>Welcome</title></html>"
ANSWERS = [
    (answering(200, PAGE), "not_an_api", 5),
    (answering(302, "moved", "text/html", "Location: https://elsewhere.example/v1/parameters"), "redirect", 5),
    (answering(400, "<h1>The plain HTTP request was sent to HTTPS port</h1>"), "plain_http", 5),
    (answering(403, PAGE), "proxy_refuses", 3),
    (answering(404, PAGE), "wrong_address", 5),
    (answering(405, PAGE), "wrong_address", 5),
    (answering(502, PAGE), "server_down", 8),
    (answering(503, PAGE), "server_down", 8),
    (answering(504, PAGE), "proxy_gave_up", 8),
    (answering(404, '{"detail": "Not Found"}', "application/json"), "wrong_address", 5),
    (answering(429, '{"message": "slow down"}', "application/json"), "too_many_requests", 7),
    *(
        (answering(400, json.dumps({"code": code, "message": message, "status": 400}), "application/json"), kind, exits)
        for code, message, kind, exits in (
            ("invalid_param", "Too many requests. Please try again later.", "too_many_requests", 7),
            ("app_unavailable", "App unavailable, please check your app configurations.", "unpublished", 6),
            ("provider_quota_exceeded", "Your quota for Dify Hosted OpenAI has been exhausted.", "model_quota", 7),
            ("model_currently_not_support", "Dify Hosted OpenAI trial currently not support.", "no_model", 6),
        )
    ),
]


@pytest.mark.parametrize(("reply", "kind", "code"), ANSWERS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_other_servers_say_is_understood(examine: Any, reply: Reply, kind: str, code: int) -> None:
    with ReplayServer(reply) as server:
        report = examine(server.url)
    assert kind_of(report) == (kind, code)


def test_a_wrong_path_is_put_right(examine: Any, emulator: Emulator) -> None:
    report = examine(emulator.dify_url.replace("/v1", "/app/abc/overview"), key=emulator.dify_key)
    assert kind_of(report) == ("wrong_address", 5)
    assert f"Give --base-url {emulator.dify_url}:" in report["problems"][0]["cure"]


def test_a_page_of_the_cloud_is_told_from_its_api_without_a_look_there() -> None:
    assert api_near(DifyApp(KEY, "https://udify.app/chat/abc"), 1) == "https://api.dify.ai/v1"


def test_a_page_where_no_api_is_near_is_told_from_one(examine: Any) -> None:
    with ReplayServer(answering(200, PAGE)) as server:
        report = examine(server.url.removesuffix("/v1") + "/chat/abc")
        assert [request.path.partition("?")[0] for request in server.received] == [
            "/chat/abc/v1/parameters",
            "/v1/parameters",
        ]
    assert kind_of(report) == ("not_an_api", 5)


def test_a_port_where_nothing_listens(examine: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert kind_of(examine(f"http://127.0.0.1:{port}")) == ("refused", 3)


def test_a_name_that_there_is_not(examine: Any) -> None:
    assert kind_of(examine("https://no-such-host.invalid")) == ("dns", 3)


def test_a_proxy_that_is_not_there(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    assert kind_of(examine("https://dify.example.com")) == ("proxy", 3)


def test_https_where_only_http_is_spoken(examine: Any, emulator: Emulator) -> None:
    report = examine(emulator.dify_url.replace("http:", "https:"))
    assert kind_of(report) == ("no_tls", 3)


def test_a_certificate_that_is_not_trusted() -> None:
    error = BotConnectError("dify: no trust", platform="dify", retryable=False)
    error.__cause__ = OSError("wrapped")
    error.__cause__.__context__ = ssl.SSLCertVerificationError("self-signed certificate")
    problem = diagnosed(error)
    assert (problem.kind, problem.exit_code) == ("tls_certificate", 3)
    assert "REQUESTS_CA_BUNDLE" in problem.cure


def test_a_server_that_says_nothing(examine: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        report = examine(f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.2")
    assert kind_of(report) == ("silence", 3)


def test_a_connection_that_does_not_come_about_in_time() -> None:
    problem = diagnosed(BotTimeoutError("dify: no connection within connect_s=1.", phase="connect", platform="dify"))
    assert (problem.kind, problem.exit_code) == ("no_answer", 3)


def test_inputs_that_are_missing_are_named_and_nothing_is_asked(examine: Any, emulator: Emulator) -> None:
    key = emulator.key("advanced-chat-required")
    report = examine(emulator.dify_url, "--ask", key=key)
    assert kind_of(report) == ("inputs", 2)
    assert any("--input city=…" in hint for hint in report["hints"])
    assert {request.method for request in emulator.requests} == {"GET"}
    report = examine(emulator.dify_url, "--ask", "--input", "city=Köln", key=key)
    assert report["ok"]
    assert emulator.requests[-1].body["inputs"] == {"city": "Köln"}
    assert emulator.requests[-1].body["query"] == QUESTION


def test_nothing_is_asked_unless_it_is_told_to(examine: Any, emulator: Emulator) -> None:
    report = examine(emulator.dify_url, key=emulator.dify_key)
    assert report["ok"]
    assert report["answer"] is None
    assert [(request.method, request.path) for request in emulator.requests] == [
        ("GET", "/v1/parameters"),
        ("GET", "/v1/info"),
    ]


def test_it_does_not_ask_again_where_a_bot_would(examine: Any, emulator: Emulator) -> None:
    emulator.faults.add(Unavailable(retry_after_s=1), times=None, path="/v1/*")
    assert kind_of(examine(emulator.dify_url, key=emulator.dify_key)) == ("server_down", 8)
    assert len(emulator.requests) == 1


def test_a_server_of_2023_is_described_as_far_as_it_tells(examine: Any) -> None:
    with Emulator("2023", token_delay_s=0) as emulator:
        report = examine(emulator.dify_url, "--ask", key=emulator.dify_key)
    assert report["ok"]
    assert report["app"] is None


@pytest.mark.parametrize(
    ("agent", "kind", "code"),
    [
        ("gptbots-api-off", "api_disabled", 6),
        ("gptbots-no-credits", "quota", 7),
        ("gptbots-deleted", "app_gone", 6),
    ],
)
def test_an_agent_that_refuses_is_understood(
    examine: Any, emulator: Emulator, agent: str, kind: str, code: int
) -> None:
    report = examine(emulator.gptbots_url, "--ask", key=emulator.key(agent), platform="gptbots")
    assert kind_of(report) == (kind, code)


def test_a_key_of_another_region_is_understood(examine: Any, emulator: Emulator) -> None:
    report = examine(emulator.gptbots_url, platform="gptbots")
    assert kind_of(report) == ("key", 4)
    assert "sg, th, jp or cn" in report["problems"][0]["cure"]


def test_a_sound_agent_answers(examine: Any, emulator: Emulator) -> None:
    report = examine(
        emulator.gptbots_url, "--ask", "When does the ferry leave?", key=emulator.gptbots_key, platform="gptbots"
    )
    assert report["ok"]
    assert report["app"] == {
        "name": "gptbots",
        "kind": "QuestionAnswer",
        "description": "Answers questions of visitors to Saltmouth",
    }
    assert "9:00" in report["answer"]["text"]
    assert report["features"]["citations"] is None


def test_what_a_server_calls_itself_is_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b]0;owned\x07[bold]x\u202e\n\n  ✓ key"
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    about = json.dumps({"opening_statement": "", "user_input_form": [{"select": {
        "variable": hostile, "label": hostile, "required": True, "options": [hostile]}}]})  # fmt: skip
    who = json.dumps({"name": hostile, "description": hostile, "mode": hostile})
    with ReplayServer(*(answering(200, body, "application/json") for body in (about, who))) as server:
        assert main(["doctor", "--base-url", server.url]) == 0
    words = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(words)
    assert "[bold]x ✓ key" in words
    assert not any(line.strip().startswith("✓ key") for line in words.splitlines())


def test_without_a_key_and_without_a_terminal_it_says_where_to_put_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "remote-chatbots doctor: There is no key. Set DIFY_API_KEY.\n"
    assert main(["chat"]) == 2
    assert "There is no key. Set DIFY_API_KEY, or talk with --emulator" in capsys.readouterr().err
    assert main(["doctor", "--platform", "gptbots"]) == 2
    assert "GPTBOTS_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "cure"), [([], "Set DIFY_API_KEY."), (["--api-key", KEY, "--base-url", "there:80"], "https://")]
)
def test_a_program_is_told_in_json_of_what_cannot_be_used_too(
    wrong: list[str], cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json", *wrong]) == 2
    report = json.loads(capsys.readouterr().out)
    (problem,) = report["problems"]
    assert (report["ok"], report["exit_code"], problem["kind"]) == (False, 2, "wrong_use")
    assert cure in problem["cure"]


def test_a_key_among_the_options_draws_a_warning_and_is_not_repeated(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--base-url", emulator.dify_url, "--api-key", emulator.dify_key]) == 0
    told = capsys.readouterr()
    assert "everybody on this machine can see" in told.err
    assert emulator.dify_key not in told.out + told.err


@pytest.mark.parametrize("arguments", [["--input", "city"], ["--input", "=x"], ["--base-url", "ftp://x"]])
def test_wrong_use_is_said_in_a_sentence(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    assert main(["doctor", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1


def test_only_the_key_of_gptbots_in_the_environment_means_gptbots(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPTBOTS_API_KEY", emulator.gptbots_key)
    monkeypatch.setenv("GPTBOTS_BASE_URL", emulator.gptbots_url)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("GPTBots at http://127.0.0.1")
