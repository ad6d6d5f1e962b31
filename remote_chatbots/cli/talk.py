"""A talk with a bot: its state, and what becomes of a line that a person writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from remote_chatbots.answer import Answer
from remote_chatbots.attachments import Attachment
from remote_chatbots.cli.bots import Bot
from remote_chatbots.cli.forms import fill_form, fill_inputs
from remote_chatbots.cli.numbers import number_in
from remote_chatbots.cli.screen import Screen
from remote_chatbots.cli.turn_shown import TurnShown
from remote_chatbots.client import BotClient
from remote_chatbots.described import AppParameters
from remote_chatbots.errors import BotError, BotTransportError
from remote_chatbots.events import Source
from remote_chatbots.management import whole
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.question import Question
from remote_chatbots.resuming import events_of
from remote_chatbots.stored import StoredConversation, StoredMessage
from remote_chatbots.transports.requests_driver import RequestsRun

# How an opening statement shows where a variable belongs.
_VARIABLE = re.compile(r"([ ,]*)\{\{(\w+)\}\}")


class Talk:
    """A person's talk with a bot, in one conversation after the other.

    Attributes:
        client: Asks the bot.
        screen: Where it is shown.
        inputs: Values of the app's variables.
        conversation_id: The conversation that goes on; "" before the first answer.
        answer: The newest answer, as far as it came or the server keeps it; None before the first.
        lost: The error of the newest answer, or what the server keeps of it, and what was asked; None if it is whole.
        paused: The answer that waits for a form; None if none does.
        follow_ups: What can be asked by a number.
        files: What goes with the next question.
        listed: What was listed last, to be opened by a number.
        failed: Whether any line was not done.
    """

    def __init__(
        self, client: BotClient, bot: Bot, screen: Screen, inputs: dict[str, Any], *, follow_ups: bool
    ) -> None:
        self.client = client
        self.screen = screen
        self.inputs = inputs
        self.conversation_id = ""
        self.answer: Answer | None = None
        self.lost: tuple[BotError | Answer, str] | None = None
        self.paused: Answer | None = None
        self.follow_ups: tuple[str, ...] = ()
        self.files: list[Attachment] = []
        self.listed: list[StoredConversation] = []
        self.failed = False
        self._bot = bot
        self._told_apart = hasattr(bot, "citations")
        self._suggests = follow_ups and screen.interactive and self.told.suggestions is not False

    @property
    def told(self) -> AppParameters:
        """What the bot said of itself."""
        return self._bot.learned.parameters or AppParameters()

    def begin(self) -> None:
        """Begin a new conversation, with the next question."""
        self.conversation_id, self.answer, self.lost, self.paused = "", None, None, None
        if self.screen.interactive and not fill_inputs(self.screen, self.told.input_form, self.inputs):
            self.screen.note("The app answers nothing without these; /new asks again.\n", "wrong")
        if opening := _VARIABLE.sub(self._filled_in, self.told.opening_statement):
            self.screen.note(printable(opening) + "\n", "plain")
        self._offer(self.told.suggested_questions)

    def go_on_with(self, conversation_id: str, kept: Sequence[StoredMessage]) -> None:
        """Go on with a conversation whose newest messages are `kept`: its newest answer is the talk's."""
        asked = next((one.text for one in reversed(kept) if one.role == "user"), "")
        newest = kept[-1] if kept and kept[-1].role == "assistant" else None
        self.conversation_id, self.paused, self.follow_ups = conversation_id, None, ()
        self.answer = Answer.of(events_of(newest)) if newest else None
        said = newest is not None and (newest.text or newest.media)
        self.lost = None if said or not kept else (self.answer or Answer(conversation_id=conversation_id), asked)

    def sources(self) -> tuple[Source, ...]:
        """Return the passages behind the newest answer; a platform that tells them apart from it is asked."""
        if self.answer is not None and not self.answer.sources and self._told_apart and self.answer.message_id:
            self.answer = replace(self.answer, sources=tuple(self.client.citations(self.answer)))
        return self.answer.sources if self.answer else ()

    def _filled_in(self, place: re.Match[str]) -> str:
        """Return a variable's value behind what leads to it; nothing, "Welcome, {{name}}!" is "Welcome!" then."""
        value = self.inputs.get(place[2])
        return f"{place[1]}{value}" if value and isinstance(value, str) else ""

    def take(self, line: str) -> None:
        """Ask what a person wrote: a text, or the number of a follow-up. Two slashes at its beginning mean one.

        Raises:
            BotUsageError: If it cannot be asked, or a form not be submitted; nothing was sent.
        """
        said = line.strip()
        if 1 <= number_in(said) <= len(self.follow_ups):
            line = self.follow_ups[int(said) - 1]
            self.screen.note(f"{printable(line)}\n")
        elif said.startswith("//"):
            line = said[1:]
        if line.strip():
            self.follow_ups = ()
            begun = self.conversation_id
            run = self.client.stream(line, conversation_id=begun, inputs=self.inputs, files=self.files)
            self._follow(run, line)

    def refuse(self, why: str) -> None:
        """Say why a line is not done."""
        self.failed = True
        self.screen.note(why, "wrong")

    def check_files(self, *files: Attachment, **inputs: Any) -> None:
        """Refuse files that could not be asked with, before there is a question.

        Raises:
            BotUsageError: If the bot does not take them.
        """
        question = Question("-", user=self.client.user, files=files, inputs=inputs)
        whole(self.client.run(self._bot.check_files(question)))

    def fill(self, paused: Answer) -> None:
        """Have the form filled in that an answer waits for, and show the rest of it."""
        self.paused = paused
        filled = fill_form(self.screen, paused.input_required[0])
        if filled is None:
            self.screen.note("  It goes on waiting; /form asks again.\n")
            return
        action, inputs = filled
        run = self.client.submit(paused, action, inputs)
        self.paused = None
        self._follow(run, "")

    def recover(self) -> None:
        """Fetch the answer that broke off, from where the server keeps it."""
        if self.lost is None:
            self.screen.note("The newest answer is whole.\n" if self.answer else "There is no answer yet.\n")
            return
        broken, asked = self.lost
        answer = self.client.recover(broken, question=asked, conversation_id=self.conversation_id)
        self.lost, self.answer = None, answer
        shown = TurnShown(self.screen)
        self.screen.write(printable(answer.text) + "\n")
        shown.end(answer)

    def _follow(self, run: RequestsRun, asked: str) -> None:
        """Show a turn while it comes. Ctrl-C stops it on the server, and what was said stays."""
        shown, interrupted, error = TurnShown(self.screen), False, None
        try:
            with run:
                for event in run:
                    shown.take(event)
        except KeyboardInterrupt:
            interrupted = True
        except BotError as failure:
            error = failure
        answer = run.answer
        shown.end(answer)
        self.conversation_id = answer.conversation_id or self.conversation_id
        self.answer, self.lost = answer, None
        if interrupted:
            self.screen.note(
                "  ■ stopped: what was said stays in the conversation\n" if answer.text else "  ■ stopped\n"
            )
        elif error is not None:
            self._tell_of(error, asked)
        else:
            self.files = []
            self._go_on(answer)

    def _go_on(self, answer: Answer) -> None:
        if answer.finish_reason == "paused" and answer.input_required:
            self.fill(answer)
        elif answer.finish_reason == "content_filter" and not answer.replaced:
            self.screen.note("  ⊘ the platform withheld text\n", "wrong")
        elif answer.finish_reason == "handoff":
            self.screen.note("  → handed over to a human\n", "strong")
        elif answer.message_id and self._suggests:
            self._suggest(answer.message_id)

    def _tell_of(self, error: BotError, asked: str) -> None:
        self.lost = (error, asked)
        self.conversation_id = self.conversation_id or error.conversation_id
        self.refuse(f"  ✗ {on_a_line(str(error), 2000)}\n")
        if isinstance(error, BotTransportError) and not error.retryable:  # it may have arrived
            self.screen.note("  The server may have kept the answer: /recover looks for it.\n")

    def _suggest(self, message_id: str) -> None:
        try:
            self._offer(tuple(self.client.suggestions(message_id)))
        except KeyboardInterrupt:
            pass  # whoever does not want to wait for them goes on
        except BotError:
            self._suggests = False  # this bot has none

    def _offer(self, questions: tuple[str, ...]) -> None:
        self.follow_ups = questions if self.screen.interactive else ()
        for number, question in enumerate(self.follow_ups, 1):
            self.screen.note(self.screen.fit(f"  {number}  {on_a_line(question)}") + "\n")
