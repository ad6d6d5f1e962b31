"""The command `remote-chatbots`: demo, serve, doctor, chat."""

from __future__ import annotations

from remote_chatbots.cli.command import main

__all__ = ["main"]
