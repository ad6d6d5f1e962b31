"""What a bot object remembers of what its bot says of itself. A model has one before anything was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remote_chatbots.described import AppInfo, AppParameters, InputField


class Learned:
    """What a bot object has found out about its bot. No part of what the bot is: a pickle leaves it out.

    Attributes:
        info: What it said last of who it is.
        parameters: What it said last of how it is set up.
        server_version: What the server called its version then; "" if it named none.
    """

    __slots__ = ("info", "parameters", "server_version")

    def __init__(self) -> None:
        self.info: AppInfo | None = None
        self.parameters: AppParameters | None = None
        self.server_version = ""

    @property
    def input_form(self) -> tuple[InputField, ...]:
        """The bot's variables; () where they are not known."""
        return self.parameters.input_form if self.parameters else ()

    def __reduce__(self) -> tuple[type[Learned], tuple[()]]:
        return Learned, ()
