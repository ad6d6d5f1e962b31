"""What fails before a byte of the message has left says so, on both drivers; what fails later never does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from remote_chatbots import BotConnectError, BotTimeoutError, BotUsageError
from tests.contract.scripted import CHUNKED, END, LAST_CHUNK, Close, Driver, Reset, Scripted, Wait, chunk, text

Serve = Callable[..., Scripted]
WHOLE = [CHUNKED, chunk(text("Hel", "lo")), chunk(END), LAST_CHUNK]


def through(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)


def test_a_silent_tls_handshake_is_a_timeout_of_connecting(serve: Serve, driver: Driver) -> None:
    silent = serve([b""])
    silent.deaf = True
    began = time.monotonic()
    error = driver.one(silent.url.replace("http:", "https:"), timeout=(0.3, 5), max_retries=0).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "connect"
    assert error.retryable
    assert time.monotonic() - began < 2


PROXIES = {
    "closes": [Close],
    "resets": [Reset],
    "refuses": [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"],
    "talks nonsense": [b"nonsense\r\n\r\n", Close],
    "trickles": [b"HTTP/1.1 200 OK\r\nX: ", *[step for _ in range(100) for step in (b"a", Wait(0.05))]],
}


@pytest.mark.parametrize("what", PROXIES)
def test_a_proxy_that_makes_no_tunnel_is_no_connection(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    proxy = serve(PROXIES[what])
    through(monkeypatch, f"http://127.0.0.1:{proxy.port}")
    error = driver.one("https://dify.invalid", timeout=(0.5, 3), max_retries=0).error
    assert isinstance(error, (BotConnectError, BotTimeoutError))
    assert error.retryable
    assert "Nothing was sent" in str(error)
    assert [request.line[:24] for request in proxy.received] == ["CONNECT dify.invalid:443"]


def test_a_limit_of_the_whole_turn_that_ends_while_connecting_says_that_nothing_was_sent(
    serve: Serve, driver: Driver
) -> None:
    silent = serve([b""])
    silent.deaf = True
    error = driver.one(silent.url.replace("http:", "https:"), timeout=(5, 5, 0.3), max_retries=0).error
    assert isinstance(error, BotTimeoutError)
    assert (error.phase, error.retryable) == ("total", True)
    assert "Nothing was sent" in str(error)


@pytest.mark.parametrize("host", ["nope.invalid", "nope.invalid:8443"])
def test_a_name_that_is_not_known_is_said_to_be_none(driver: Driver, host: str) -> None:
    error = driver.one(f"https://{host}", max_retries=0).error
    assert isinstance(error, BotConnectError)
    assert str(error).startswith(f"dify: no connection to {host}: this name is not known. Nothing was sent. ")


def test_the_name_of_a_proxy_that_is_not_known_is_not_taken_for_the_servers(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, "http://nope.invalid:9")
    error = driver.one("https://dify.invalid", max_retries=0).error
    assert isinstance(error, BotConnectError)
    assert "not known" not in str(error)
    assert "the proxy settings" in str(error)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test"])
def test_a_host_name_that_is_none_is_the_callers_mistake(driver: Driver, host: str) -> None:
    error = driver.one(f"https://{host}").error
    assert isinstance(error, BotUsageError)
    assert "Nothing was sent" in str(error)


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:9", "http://[bad"])
def test_a_proxy_that_is_none_is_the_callers_mistake(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    through(monkeypatch, proxy)
    error = driver.one("https://dify.invalid").error
    assert isinstance(error, BotUsageError)
    assert "HTTPS_PROXY" in str(error)


def test_a_socks_proxy_is_no_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "socks5://127.0.0.1:9")
    assert isinstance(Driver("aiohttp").one("https://dify.invalid").error, BotUsageError)


def test_a_proxy_without_a_scheme_speaks_http(serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(WHOLE)
    through(monkeypatch, f"127.0.0.1:{proxy.port}")
    assert driver.one("http://dify.invalid").answer.text == "Hello"


def test_a_file_of_certificates_that_is_not_there_is_the_callers_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    error = Driver("requests").one("https://127.0.0.1:9").error
    assert isinstance(error, BotUsageError)
    assert "REQUESTS_CA_BUNDLE" in str(error)
