"""What Dify refuses, and in which words."""

from __future__ import annotations


class Refusal(Exception):
    """A request that Dify answers with an error.

    Attributes:
        status: The HTTP status.
        code: Dify's own name for the error.
        message: Dify's explanation.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid_param(message: str) -> Refusal:
    """Return the refusal of a value: 400 `invalid_param`."""
    return Refusal(400, "invalid_param", message)


def not_found(message: str) -> Refusal:
    """Return the refusal of an id that names nothing this user may see: 404 `not_found`."""
    return Refusal(404, "not_found", message)


def unauthorized(message: str) -> Refusal:
    """Return the refusal of a key: 401 `unauthorized`."""
    return Refusal(401, "unauthorized", message)
