"""Answers for people: rich in a notebook, plain on a terminal. Both faces have these functions for their answers."""

from remote_chatbots.display.showing import ashow_live, show, show_live

__all__ = ["ashow_live", "show", "show_live"]
