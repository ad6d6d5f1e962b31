"""What goes on with a turn that has begun: a form that a person has filled in, an answer that was lost on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError, BotNotFoundError, BotUsageError
from remote_chatbots.events import Event, Finished, SourcesFound, Started, TextDelta, UsageReported
from remote_chatbots.question import half_a_character_in
from remote_chatbots.reading import mapping, text
from remote_chatbots.stopping import StopCutter
from remote_chatbots.stream_reader import EventFilter, wished

if TYPE_CHECKING:
    from remote_chatbots.stored import StoredMessage


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form that a bot waits for, as a person filled it in. A client streams the rest of the turn for it.

    Attributes:
        form_token: Which form: the `form_token` that came with it.
        workflow_run_id: Which run waits for it.
        action: The id of the action that was chosen.
        inputs: The values of the form's fields, by their names.
        user: Your name for the person who asked the question; "" is the client's.
        said: What the bot had said before it paused; "" if that is not known.
        conversation_id: The server's id of the conversation; "" if it is not known.
        message_id: The server's id of the answer; "" if it is not known.
        if_submitted: What to do if the form was submitted before: "error", or "rejoin" the run and give its rest.
        stop: The answer ends before the first of these.
        coalesce: Whether pieces of text that arrive together make one event.
        reasoning: Whether what a model says between `<think>` marks is told apart.
        steps: Whether the bot's steps are told.

    Raises:
        BotUsageError: If the token, the run or the action is missing, or an id or the user is no text.
    """

    form_token: str
    workflow_run_id: str
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    user: str = ""
    said: str = field(default="", repr=False)
    conversation_id: str = ""
    message_id: str = ""
    if_submitted: str = "error"
    stop: Sequence[str] = ()
    coalesce: bool = True
    reasoning: bool = True
    steps: bool = True

    def __post_init__(self) -> None:
        for name in ("form_token", "workflow_run_id", "action"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise BotUsageError(f"A form needs its {name}, a string. Give the one of the paused answer.")
        _check_texts(self, "form_token", "workflow_run_id", "action", "user", "conversation_id", "message_id")
        if not isinstance(self.inputs, Mapping):
            raise BotUsageError("A form's inputs are a mapping of its fields' names to values. Give a mapping.")
        if self.if_submitted not in ("error", "rejoin"):
            raise BotUsageError('if_submitted must be "error" or "rejoin". Give one of these.')

    @classmethod
    def of(
        cls, paused: Answer, action: str, inputs: Mapping[str, Any] | None = None, *, form_token: str = "", **known: Any
    ) -> FilledForm:
        """Return a form of a paused answer, filled in; a field that is left out has its default.

        Args:
            paused: The answer.
            action: The id of the action that was chosen.
            inputs: The values of the form's fields, by their names.
            form_token: Which form, where the bot waits for several. Default: the first.
            **known: More attributes of the form.

        Raises:
            BotUsageError: If the answer waits for no such form, the form cannot be submitted by a program, it has no
                such action or field, or a field without a default is left out.
        """
        if not isinstance(paused, Answer):
            raise BotUsageError(f"A form is of a paused answer, not of a {type(paused).__name__}. Give the Answer.")
        forms = [form for form in paused.input_required if form_token in ("", form.get("form_token"))]
        if not forms:
            raise BotUsageError("The answer waits for no such form. Give an answer whose finish_reason is 'paused'.")
        token = text(forms[0].get("form_token"))
        if not token:
            raise BotUsageError("The form has no token: its platform takes it by mail alone. Fill it in there.")
        filled = _filled(forms[0], action, {} if inputs is None else inputs)
        known |= {"conversation_id": paused.conversation_id, "message_id": paused.message_id, "said": paused.text}
        return cls(token, paused.workflow_run_id, action, filled, **known)


def _check_texts(of: object, *names: str) -> None:
    for name in names:
        value = getattr(of, name)
        if not isinstance(value, str):
            raise BotUsageError(f"{name} must be a string, not {type(value).__name__}. Give a string.")
        if half_a_character_in(value):
            raise BotUsageError(f"{name} holds half a character (a lone surrogate). Give whole text.")


def _filled(form: Mapping[str, Any], action: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    actions = [text(one.get("id")) for one in form.get("actions") or ()]
    if actions and action not in actions:
        raise BotUsageError(f"The form has no action {action!r}. Give one of: {', '.join(actions)}.")
    if not isinstance(inputs, Mapping):
        raise BotUsageError("A form's inputs are a mapping of its fields' names to values. Give a mapping.")
    fields = {text(one.get("output_variable_name")): one for one in form.get("inputs") or ()}
    unknown = [name for name in inputs if name not in fields]
    if unknown:
        raise BotUsageError(f"The form has no field {unknown[0]!r}. Its fields are: {', '.join(fields) or 'none'}.")
    defaults = dict(mapping(form.get("resolved_default_values")))
    for name, one in fields.items():
        default = mapping(one.get("default"))
        if default.get("type") == "constant":
            defaults.setdefault(name, default.get("value"))
    missing = [name for name in fields if name not in inputs and defaults.get(name) is None]
    if missing:
        raise BotUsageError(f"The form's field {missing[0]!r} is not filled in, and has no default. Give it in inputs.")
    return {name: inputs[name] if name in inputs else defaults[name] for name in fields}


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """An answer whose turn broke off, to be looked up where the server keeps it.

    Attributes:
        conversation_id: The server's id of the conversation.
        message_id: The server's id of the answer; "" if the turn broke off before it was told.
        workflow_run_id: The id of the run that makes it; "" if there is none, or it is not known.
        question: What was asked. Needed where `message_id` is not known.
        user: Your name for the person who asked; "" is the client's.
        said: What had arrived of it.
        reasoning: Whether what a model says between `<think>` marks is told apart.
        steps: Whether the bot's steps are told.
        stop: The answer ends before the first of these.
        coalesce: Whether pieces of text that arrive together make one event.
    """

    conversation_id: str = ""
    message_id: str = ""
    workflow_run_id: str = ""
    question: str = field(default="", repr=False)
    user: str = ""
    said: str = field(default="", repr=False)
    reasoning: bool = True
    steps: bool = True
    stop: Sequence[str] = ()
    coalesce: bool = True

    def __post_init__(self) -> None:
        _check_texts(self, "conversation_id", "message_id", "workflow_run_id", "user")

    def filters(self, *others: EventFilter) -> list[EventFilter]:
        """Return what makes of the answer's text what its reader wants; `others` before the stop sequences."""
        return [*wished(self), *others, StopCutter(self.stop)]

    @classmethod
    def of(cls, broken: BotError | Answer, **known: Any) -> LostAnswer:
        """Return what an error, or an answer that is not whole, knows of itself; `known` is laid over it.

        Raises:
            BotUsageError: If it is neither, or what is known is no text.
        """
        if not isinstance(broken, (BotError, Answer)):
            raise BotUsageError(
                f"A {type(broken).__name__} tells of no lost answer. Give the error of the turn that broke off, its "
                "Answer, or a LostAnswer."
            )
        ids = {name: getattr(broken, name) for name in ("conversation_id", "message_id", "workflow_run_id")}
        said = broken.partial_text if isinstance(broken, BotError) else broken.text
        return cls(**{**ids, "said": said, **{name: value for name, value in known.items() if value}})

    def among(self, messages: Sequence[StoredMessage]) -> StoredMessage | None:
        """Return the answer, if it is among the messages of its conversation, the oldest first; else None."""
        if self.message_id:
            wanted = {self.message_id}
        else:
            # An answer names its question, or goes by the same id.
            asked = (one for one in reversed(messages) if one.role == "user" and one.text == self.question)
            wanted = {one.message_id for one in list(asked)[:1]}
        here = ("", self.conversation_id)
        answers = (one for one in reversed(messages) if one.role == "assistant" and one.conversation_id in here)
        return next((one for one in answers if wanted & {one.message_id, one.parent_message_id} - {""}), None)

    def is_whole(self, text: str) -> bool:
        """Return whether a text may be all of it: there is one, and it is no mere beginning of what had arrived."""
        kept, said = text.rstrip(), self.said.rstrip()
        return bool(kept) and (kept == said or not said.startswith(kept))

    def not_kept(self, platform: str, why: str) -> BotNotFoundError:
        """Return the error that says that the server has no text of it, and why that may be."""
        return BotNotFoundError.of(
            platform,
            f"the server has no text of this answer: {why} The question may be in the conversation's "
            "history all the same: look there before you ask again.",
            conversation_id=self.conversation_id,
            message_id=self.message_id,
            workflow_run_id=self.workflow_run_id,
            partial_text=self.said,
        )


def events_of(stored: StoredMessage, *filters: EventFilter) -> Iterator[Event]:
    """Yield the events of an answer that the server keeps.

    Args:
        stored: The answer.
        *filters: What changes events on their way to the caller, in order.
    """
    yield Started(stored.conversation_id, stored.message_id, created_at=stored.created_at)
    told: list[Event] = [TextDelta(stored.text), *stored.media]
    if stored.usage is not None:
        told.append(UsageReported(stored.usage))
    if stored.sources:
        told.append(SourcesFound(stored.sources))
    for each in filters:
        told = [*each.cut(told), *each.rest()]
    yield from told
    yield Finished()
