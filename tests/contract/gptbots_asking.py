"""How tests ask the GPTBots side of the emulator, with plain requests."""

from __future__ import annotations

import json
from typing import Any

import requests

from remote_chatbots.emulator import Emulator

FERRY = "When does the ferry to Gull Island leave?"
UNKNOWN_ID = "ffffffffffffffffffffffff"


def bearer(emulator: Emulator, kind: str = "gptbots") -> dict[str, str]:
    return {"Authorization": f"Bearer {emulator.key(kind)}"}


def post(emulator: Emulator, path: str, body: Any, *, kind: str = "gptbots") -> requests.Response:
    return requests.post(f"{emulator.gptbots_url}{path}", json=body, headers=bearer(emulator, kind), timeout=5)


def get(emulator: Emulator, path: str, *, kind: str = "gptbots", **query: Any) -> requests.Response:
    return requests.get(f"{emulator.gptbots_url}{path}", params=query, headers=bearer(emulator, kind), timeout=5)


def conversation(emulator: Emulator, user: str = "ann", kind: str = "gptbots") -> str:
    held = post(emulator, "/v1/conversation", {"user_id": user}, kind=kind).json()["conversation_id"]
    assert isinstance(held, str)
    return held


def send_v1(
    emulator: Emulator, text: str, *, held: str | None = None, kind: str = "gptbots", **fields: Any
) -> requests.Response:
    held = held or conversation(emulator, kind=kind)
    body = {"conversation_id": held, "response_mode": "streaming", "text": text, **fields}
    return post(emulator, "/v1/conversation/message", body, kind=kind)


def send_v2(
    emulator: Emulator,
    content: Any,
    *,
    held: str | None = None,
    kind: str = "gptbots",
    mode: str = "streaming",
    **settings: Any,
) -> requests.Response:
    held = held or conversation(emulator, kind=kind)
    messages = [{"role": "user", "content": content}]
    body = {
        "conversation_id": held,
        "response_mode": mode,
        "messages": messages,
        "conversation_config": settings,
    }
    return post(emulator, "/v2/conversation/message", body, kind=kind)


def frames_in(response: requests.Response) -> list[dict[str, Any]]:
    """Return the frames of a stream written as it is by default."""
    assert response.status_code == 200, response.text
    blocks = response.content.decode().split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data:{") for block in blocks)
    return [json.loads(block.removeprefix("data:")) for block in blocks]


def codes_in(frames: list[dict[str, Any]]) -> list[int]:
    """Return the codes, each run of the same taken as one."""
    codes = [frame["code"] for frame in frames]
    return [code for place, code in enumerate(codes) if place == 0 or code != codes[place - 1]]


def text_in(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["data"] for frame in frames if frame["code"] == 3)


def answer_in(response: requests.Response) -> str:
    """Return the text of a blocking answer of v2."""
    return "".join(output["content"]["text"] for output in response.json()["output"])
