"""The demonstration, on the emulator and on the app that the environment names."""

from __future__ import annotations

import pytest

from langchain_chatbots.demo import main
from remote_chatbots.emulator import Emulator

VARIABLES = ("DIFY_API_KEY", "DIFY_BASE_URL", "DIFY_API_BASE", "DIFY_USER")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_an_app_the_emulator_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr()
    assert "The emulator at" in told.out
    assert "9:00" in told.out
    assert "[1] ferry.md" in told.out
    assert told.err == ""


@pytest.mark.parametrize("name", ["DIFY_BASE_URL", "DIFY_API_BASE"])
def test_the_app_that_the_environment_names_answers(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", emulator.dify_key)
    monkeypatch.setenv(name, emulator.dify_url)
    assert main(["[[echo]]hello"]) == 0
    assert f"Your app at {emulator.dify_url}" in capsys.readouterr().out
    assert emulator.requests[-1].body["query"] == "[[echo]]hello"


def test_a_failure_is_told_in_a_sentence(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", "app-wrong")
    monkeypatch.setenv("DIFY_API_BASE", emulator.dify_url)
    assert main(["Hello"]) == 1
    assert capsys.readouterr().err.strip().startswith("dify:")
