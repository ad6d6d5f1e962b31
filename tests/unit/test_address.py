"""Addresses, keys and headers as users write them."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import BotUsageError, DifyApp, address
from remote_chatbots.address import base_url_of, bot_id_of, checked_headers, checked_key


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://dify.example.com", "https://dify.example.com/v1"),
        ("https://dify.example.com/", "https://dify.example.com/v1"),
        ("https://dify.example.com/v1", "https://dify.example.com/v1"),
        ("https://dify.example.com/v1/", "https://dify.example.com/v1"),
        ("https://dify.example.com//v1//", "https://dify.example.com/v1"),
        ("https://dify.example.com/v2", "https://dify.example.com/v2"),
        ("  https://dify.example.com/v1\n", "https://dify.example.com/v1"),
        ("https://dify.example.com/v1/chat-messages", "https://dify.example.com/v1"),
        ("https://dify.example.com/v1/chat-messages/", "https://dify.example.com/v1"),
        ("https://dify.example.com/chat-messages", "https://dify.example.com/v1"),
        ("https://dify.example.com/api", "https://dify.example.com/api"),
        ("https://dify.example.com/api/", "https://dify.example.com/api"),
        ("https://dify.example.com/api/chat-messages", "https://dify.example.com/api"),
        ("https://dify.example.com/api/v1", "https://dify.example.com/api/v1"),
        ("https://example.com/tools/dify", "https://example.com/tools/dify/v1"),
        ("https://example.com/tools/dify/v1/", "https://example.com/tools/dify/v1"),
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001/v1"),
        ("http://[::1]:5001/v1", "http://[::1]:5001/v1"),
        ("HTTPS://dify.example.com/v1", "https://dify.example.com/v1"),
    ],
)
def test_an_address_is_brought_to_one_form(given: str, base: str) -> None:
    assert base_url_of(given, default_version="v1") == base


@pytest.mark.parametrize("host", ["dify.plain-http", "10.255.3.7:5001", "[fd00::7]", "127.0.0.1.plain-http"])
def test_plain_http_to_another_machine_warns_once(host: str) -> None:
    with pytest.warns(UserWarning, match="unencrypted") as caught:
        DifyApp("app-a-key-that-must-not-show", f"http://{host}")
    assert host in str(caught[0].message)
    assert "app-a-key" not in str(caught[0].message)
    assert caught[0].filename != address.__file__
    DifyApp("app-another-key", f"http://{host}/v1")  # a second warning would be an error


@pytest.mark.parametrize("url", ["http://127.9.9.9", "http://[::1]:5001", "http://localhost:80", "https://dify.plain"])
def test_what_stays_on_the_machine_or_is_encrypted_does_not_warn(url: str) -> None:
    DifyApp("app-a-key", url)


def test_the_default_version_is_the_platforms() -> None:
    assert base_url_of("https://api.example.com", default_version="v2") == "https://api.example.com/v2"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "dify.example.com",
        "dify.example.com:5001/v1",
        "//dify.example.com/v1",
        "ftp://dify.example.com",
        "https://",
        "https:///v1",
        "https://dify.example.com:port/v1",
        "https://dify.example.com:99999/v1",
        "https://dify.example.com:0/v1",
        "https://[::1/v1",
        "https://dify example.com/v1",
        "https://dify.example.com/v1\r\nHost: evil",
        "https://user:pass-word@dify.example.com/v1",
        "https://user@dify.example.com/v1",
        "https://dify.example.com/v1?key=app-secret",
        "https://dify.example.com/v1#part",
        None,
        5,
        b"https://dify.example.com",
    ],
    ids=repr,
)
def test_what_is_no_address_is_refused_by_its_name(given: Any) -> None:
    with pytest.raises(BotUsageError, match="base_url") as caught:
        base_url_of(given, default_version="v1")

    assert "pass-word" not in str(caught.value)
    assert "app-secret" not in str(caught.value)


@pytest.mark.parametrize("given", ["app-key", "  app-key\n", "\tapp-key\r\n"], ids=repr)
def test_a_key_loses_the_white_space_of_copying(given: str) -> None:
    assert checked_key(given, "api_key") == "app-key"


@pytest.mark.parametrize("given", ["", "   ", None, 5, b"app-key"], ids=repr)
def test_a_missing_key_is_refused_by_its_name(given: Any) -> None:
    with pytest.raises(BotUsageError, match="api_key is missing"):
        checked_key(given, "api_key")


@pytest.mark.parametrize(
    "given", ["app secret", "app-secret\r\nX-Evil: 1", "app-secret\0", "app-secrét", "app-secret\u200b"], ids=repr
)
def test_what_can_be_no_key_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(BotUsageError, match="api_key") as caught:
        checked_key(given, "api_key")

    assert "secr" not in str(caught.value)


def test_good_headers_are_kept() -> None:
    headers = {"X-Team": "weather", "x_y.z~1": "a b\tc", "X-Empty": ""}

    assert checked_headers(headers) == headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Team": "a\r\nX-Evil: 1"},
        {"X-Team": "a\nb"},
        {"X-Team": "a\0"},
        {"X-Team": "天气"},
        {"X-Team": 5},
        {"X-Team": None},
        {"X-Team\r\nX-Evil": "1"},
        {"X Team": "a"},
        {"X-Team:": "a"},
        {"": "a"},
        {5: "a"},
        {"天气": "a"},
        [("X-Team", "a")],
        "X-Team: a",
        None,
    ],
    ids=repr,
)
def test_headers_that_http_does_not_allow_are_refused_by_their_name(headers: Any) -> None:
    with pytest.raises(BotUsageError, match="default_headers"):
        checked_headers(headers)


@pytest.mark.parametrize(
    "name",
    ["Expect", "Content-Length", "transfer-encoding", "Connection", "HOST", "TE", "Upgrade", "Proxy-Authorization"],
)
def test_headers_that_speak_of_the_connection_are_refused(name: str) -> None:
    with pytest.raises(BotUsageError, match=f"{name} is set by the client alone"):
        checked_headers({name: "100-continue"})


@pytest.mark.parametrize("value", [" a", "\ta"], ids=["a space", "a tab"])
def test_a_value_that_begins_with_white_space_is_refused_or_trimmed(value: str) -> None:
    try:
        headers = checked_headers({"X-Team": value})
    except BotUsageError:
        return

    assert headers == {"X-Team": "a"}  # requests takes no other


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Content-Type", "CONTENT-LENGTH", "transfer-encoding", "Accept", "Host",
     "accept-encoding"],
)  # fmt: skip
def test_headers_that_are_the_clients_own_are_refused(name: str) -> None:
    with pytest.raises(BotUsageError, match=name):
        checked_headers({name: "x"})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"api_key": "app key"}, "api_key"),
        ({"api_key": "app-key", "base_url": "dify"}, "base_url"),
        ({"api_key": "app-key", "headers": {"a": "b\n"}}, "headers"),
    ],
    ids=["key", "address", "headers"],
)
def test_an_app_is_checked_when_it_is_made(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(BotUsageError, match=name):
        DifyApp(**fields)


def test_what_is_no_address_makes_no_bot_id() -> None:
    with pytest.raises(BotUsageError, match=r"^poller: base_url is no address"):
        bot_id_of("poller", "nope", "a-key")
