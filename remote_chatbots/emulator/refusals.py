"""What Dify refuses, and in which words."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request that Dify answers with an error.

    Attributes:
        status: The HTTP status.
        code: Dify's own name for the error.
        message: Dify's explanation.
        params: The field that is wrong, where an older Dify names it; then it leaves the status out.
    """

    def __init__(self, status: int, code: str, message: str, *, params: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.params = params

    def body(self) -> dict[str, Any]:
        """Return what the client gets to read."""
        told: dict[str, Any] = {"code": self.code, "message": self.message}
        return {**told, "params": self.params} if self.params else {**told, "status": self.status}


class ServerBreakdown(Refusal):
    """A request that an older Dify does not check, and breaks down over.

    recorded: 0.15.3/err-conversation-rename-nothing
    """

    def __init__(self) -> None:
        super().__init__(500, "unknown", "Internal Server Error")

    def body(self) -> dict[str, Any]:
        """Return what the client gets to read."""
        return {"message": self.message, "code": self.code}


def invalid_param(message: str, *, params: str | None = None) -> Refusal:
    """Return the refusal of a value: 400 `invalid_param`."""
    return Refusal(400, "invalid_param", message, params=params)


def not_found(message: str) -> Refusal:
    """Return the refusal of an id that names nothing this user may see: 404 `not_found`."""
    return Refusal(404, "not_found", message)


def unauthorized(message: str) -> Refusal:
    """Return the refusal of a key: 401 `unauthorized`."""
    return Refusal(401, "unauthorized", message)
