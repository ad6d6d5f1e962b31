"""What the events of a Dify turn mean, and when the turn is over.

Sources: Dify API reference, "Chat messages"; the recordings of 0.15.3 and 1.14.2 named below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from remote_chatbots.errors import BotError, BotReplyError, BotTruncatedError
from remote_chatbots.events import (
    Event,
    Finished,
    FinishReason,
    InputRequired,
    MediaProduced,
    SourcesFound,
    Started,
    TextDelta,
    TextReplaced,
    Unrecognized,
    UsageReported,
)
from remote_chatbots.flow import Flow
from remote_chatbots.framing import Frame, parse_json
from remote_chatbots.platforms.dify.errors import NAME, error_from, not_allowed, of_another, run_failed
from remote_chatbots.platforms.dify.steps import STEPS, StepLog
from remote_chatbots.platforms.dify.values import files_made, run_status, same_words, source_of, usage_of
from remote_chatbots.reading import mapping, octets, whole
from remote_chatbots.reading import text as text_of
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import HttpRequest

# A run ends with message_end and workflow_finished, in either order; a 1.13.0 server loses one of them altogether.
OTHER_END_S = 2.0
_IDS_OF_A_CHAT = {"message_id", "conversation_id", "task_id"}
OF_THE_TURN = ("conversation_id", "message_id", "workflow_run_id")
_ENVELOPE = (*OF_THE_TURN, "task_id")


class DifyTurn:
    """Interprets one turn, event by event; an `Interpreter` for `StreamReader`.

    Args:
        settings: Patience.
        stop_request: Makes the request that stops a task, from its id.
        hidden: What no error message may repeat: the key, the question.
        said: What was said before, of a turn that goes on after a pause.
    """

    def __init__(
        self, settings: Settings, stop_request: Callable[[str], HttpRequest], hidden: tuple[str, ...], said: str = ""
    ) -> None:
        self._settings = settings
        self._stop_request = stop_request
        self._hidden = hidden
        self._ids: dict[str, str] = {}
        self._created_at: int | None = None
        self._said = [said] if said else []  # the answer so far
        self._step_from = 0  # where in it the newest agent step begins
        self._steps = StepLog()
        self._by_agent = False  # its text came as agent_message
        self._maybe_whole: str | None = None  # a `message` after agent_messages: more text, or all of it again
        self._old_wire = False  # of 2023: events without a name, and no last one
        self._run: str | None = None  # None: no run; "": under way; else the word for how it ended
        self._ended = False  # message_end came
        self._paused = False
        self._speaking: bool | None = None  # None: not a word of speech; False: its end came
        self._error: BotError | None = None
        self._filtered = False
        self._files: set[str] = set()  # the ids of those that were told
        self._metadata: dict[str, Any] = {}

    def take(self, frame: Frame, out: list[Event]) -> None:
        """Append to `out` the events that `frame` means; errors as of `take_all`."""
        self.take_all((frame,), out, join=False)

    def take_all(self, frames: Iterable[Frame], out: list[Event], *, join: bool) -> None:
        """Append to `out` the events that `frames` mean; with `join`, neighbouring pieces of text make one.

        Raises:
            BotProtocolError: If a whole frame is no JSON, or another turn's. What came before it is in `out` by then.
        """
        pieces: list[str] = []
        text, message_id, conversation_id = self._plain_text()
        try:
            for frame in frames:
                try:
                    event = parse_json(frame.data)
                except ValueError:
                    self._no_json(frame)
                    continue
                if (
                    type(event) is dict
                    and event.get("event") == text
                    and event.get("message_id") == message_id
                    and event.get("conversation_id") == conversation_id
                    and type(piece := event.get("answer")) is str
                ):
                    pieces.append(piece)  # the one event that comes by the thousand
                elif frame.event != "ping":
                    self._say(pieces, out, join)
                    pieces = []
                    self._take(frame, event, out)
                    text, message_id, conversation_id = self._plain_text()
        finally:
            self._say(pieces, out, join)

    def _no_json(self, frame: Frame) -> None:
        # A frame cut in two is none of ours: `closing` says whether that matters. Gateways end streams by [DONE].
        if frame.data not in (b"", b"[DONE]") and frame.complete and frame.event != "ping":
            raise not_allowed("an event of the stream is no JSON", frame.data, self._hidden) from None

    def _plain_text(self) -> tuple[str, str | None, str | None]:
        """Return name and ids of the event that can be nothing but more text now; "" as name if there is none."""
        ids = self._ids.get("message_id"), self._ids.get("conversation_id")
        if (
            self._created_at is None
            or not self._ids.keys() >= _IDS_OF_A_CHAT
            or self._steps.waits
            or not self._talking()
        ):
            return "", *ids
        return "agent_message" if self._by_agent else "message", *ids

    def _talking(self) -> bool:
        return self._maybe_whole is None and not self._ended and not self._over()

    def _say(self, pieces: Iterable[str], out: list[Event], join: bool = True) -> None:
        for text in ("".join(pieces),) if join else pieces:
            if text:
                self._said.append(text)
                out.append(TextDelta(text))

    def _take(self, frame: Frame, event: Any, out: list[Event]) -> None:
        if not isinstance(event, dict):
            out.append(Unrecognized(frame.event, event))
            return
        name = event.get("event")
        if self._steps.waits and name != "ping":
            out.extend(self._steps.before(text_of(event.get("answer")) if name in _TEXT else None))
        if name in _TEXT and self._talking():
            self._begin(event, out)
            answer = event.get("answer")
            self._by_agent = self._by_agent or name == "agent_message"
            if self._by_agent and name == "message":
                self._maybe_whole = answer if isinstance(answer, str) else None
            else:
                self._say((text_of(answer),), out)
        else:
            self._take_other(name if isinstance(name, str) else self._old_name(event), event, out)

    def _take_other(self, name: str, event: dict[str, Any], out: list[Event]) -> None:
        if name in _TELL_WHAT_WAS_HELD:
            self._settle(out, ends=name in _ENDS, broken=name == "error")
        if not self._over():
            self._begin(event, out)
        handler = _HANDLERS.get(name)
        late = (self._over() and name not in _AFTER_THE_END) or (self._ended and name in _TEXT)
        if handler is not None and not late:
            out.extend(handler(self, event))
        elif name != "ping":
            out.append(Unrecognized(name, event))

    def take_whole(self, body: bytes, out: list[Event]) -> None:
        """Append to `out` the events of an answer that came as one JSON object.

        Recorded: 1.14.2/chat-block-1-first-turn; a pause: Dify API reference, "Human input".

        Raises:
            BotProtocolError: If `body` is no answer.
            BotReplyError: If it is a refusal, under HTTP 200.
        """
        try:
            told = parse_json(body)
        except ValueError:
            told = None
        if not isinstance(told, dict) or not isinstance(told.get("answer"), str):
            if isinstance(told, dict) and "code" in told and "message" in told:
                raise error_from(told, 200, hidden=self._hidden)
            raise not_allowed("the reply is no answer", body, self._hidden)
        self._begin(told, out)
        out.extend((*self._steps.kept_reasoning(told), *self._text(told)))
        if told.get("event") == "workflow_paused":
            reasons = mapping(told.get("data")).get("reasons")
            out.extend(InputRequired(form) for form in reasons or [] if isinstance(form, dict))
            self._paused = True
        else:
            out.extend(self._end(told))

    def wait_s(self) -> float | None:
        """Return how much longer to read, in seconds; None as long as the turn is not over."""
        if not self._over():
            return OTHER_END_S if self._ended or self._run == "succeeded" else None
        return self._settings.speech_wait_s if self._speaking else self._settings.end_grace_s

    def closing(self) -> Flow[None]:
        """Yield the turn's last events, once no more frames come.

        Raises:
            BotReplyError: If the server said so in the stream, or the run failed.
            BotTruncatedError: If no event ended the turn.
        """
        held: list[Event] = []
        whole = self._over() or self._ended or self._run == "succeeded" or self._old_wire
        self._settle(held, ends=True, broken=not whole)
        yield from (*self._steps.before(None), *held)
        if self._error is not None:
            raise self._error
        if not whole:
            raise BotTruncatedError.of(
                NAME,
                "the stream ended before its last event came. The message may have arrived: recover "
                "it, or look at the conversation's history, before you ask again.",
            )
        yield Finished(self._reason(), self._metadata)

    def stop_request(self) -> HttpRequest | None:
        """Return the request that stops the turn; None before the server gave it an id."""
        task_id = self._ids.get("task_id")
        return self._stop_request(task_id) if task_id else None

    def _over(self) -> bool:
        """Whether the event that ends a turn has come. Each kind of app, and each age of Dify, has its own."""
        if self._error is not None or self._paused:
            return True
        if self._run is None:
            return self._ended
        # 1.14: message_end, then workflow_finished; 0.15: the other way round; a run that did not succeed
        # has no message_end to wait for (recorded: chatflow-stream-1-first-turn, chatflow-stream-stopped).
        return (self._ended and self._run != "") or self._run not in ("", "succeeded")

    def _reason(self) -> FinishReason:
        if self._paused:
            return "paused"
        if self._filtered:
            return "content_filter"
        return "stopped" if self._run == "stopped" else "stop"

    def _begin(self, event: dict[str, Any], out: list[Event]) -> None:
        """Report the ids that `event` is the first to tell; refuse one that is another turn's."""
        new: dict[str, str] = {}
        for name in _ENVELOPE:
            told, known = event.get(name), self._ids.get(name)
            if isinstance(told, str) and told not in ("", known):
                if known is None:
                    new[name] = told
                elif name in OF_THE_TURN:
                    raise of_another(name)
        if "message_id" not in self._ids and "message_id" not in new and "answer" in event and text_of(event.get("id")):
            new["message_id"] = event["id"]  # as servers of 2023 name it
        created_at = None if self._created_at is not None else whole(event.get("created_at"))
        if new or created_at is not None:
            self._ids |= new
            self._created_at = self._created_at if created_at is None else created_at
            out.append(Started(**new, created_at=created_at))

    def _settle(self, out: list[Event], *, ends: bool, broken: bool = False) -> None:
        """Decide what a `message` that followed agent_messages was, now that its successor is known.

        A new agent app repeats its whole answer, or its last step's, as one `message` right before the end
        (Dify API reference 1.16, "Agent"); before more text a `message` is text, and so are those that follow it.
        """
        whole, self._maybe_whole = self._maybe_whole, None
        if not whole:
            return
        said, last_step = "".join(self._said), "".join(self._said[self._step_from :])
        if ends and whole.strip() in (said.strip(), last_step.strip()):
            return
        if ends and not broken:
            self._said = [whole]
            out.append(TextReplaced(whole))
        else:
            self._by_agent = False
            self._say((whole,), out)

    def _old_name(self, event: dict[str, Any]) -> str:
        """Name an event of 2023, which has no name of its own."""
        if "answer" in event:
            self._old_wire = self._old_wire or (not self._said and self._run is None)
            return "message"
        return "error" if "code" in event else ""

    def _text(self, event: dict[str, Any]) -> Iterable[Event]:
        out: list[Event] = []
        self._say((text_of(event.get("answer")),), out)
        return out

    def _replace(self, event: dict[str, Any]) -> Iterator[Event]:
        text = event.get("answer")
        # 0.15.3 sends one though nothing was wrong (recorded: chat-stream-*), with an agent's steps on lines apart.
        if isinstance(text, str) and not same_words(text, "".join(self._said)):
            self._said, self._filtered = [text], True
            yield TextReplaced(text, text_of(event.get("reason")))

    def _end(self, event: dict[str, Any]) -> Iterator[Event]:
        if self._ended:
            return
        self._ended = True
        yield from self._steps.kept_reasoning(event)
        metadata = dict(mapping(event.get("metadata")))
        usage = metadata.pop("usage", None)
        sources = metadata.pop("retriever_resources", None)
        if isinstance(usage, dict):
            yield UsageReported(usage_of(usage))
        if isinstance(sources, list) and sources:
            yield SourcesFound(tuple(source_of(item) for item in sources if isinstance(item, dict)))
        if event.get("files"):
            metadata["files"] = event["files"]
            yield from files_made(event["files"], self._files)
        self._metadata = metadata

    def _file(self, event: dict[str, Any]) -> Iterator[Event]:
        if isinstance(event.get("answer"), str):
            # The server names text so when the message has files already (API reference, message_file).
            yield from self._text(event)
        else:
            yield from files_made([event], self._files)

    def _speech(self, event: dict[str, Any]) -> Iterator[Event]:
        self._speaking = True
        data = octets(event.get("audio"))
        if data is None:
            yield Unrecognized("tts_message", event)
        elif data:
            yield MediaProduced("audio", data=data, mime_type="audio/mpeg")

    def _speech_end(self, event: dict[str, Any]) -> Iterator[Event]:
        self._speaking = False
        yield from ()

    def _thought(self, event: dict[str, Any]) -> Iterator[Event]:
        if event.get("position") and not event.get("thought") and not event.get("tool"):
            self._step_from = len(self._said)
        # What was withdrawn does not come back as a thought.
        said = None if self._filtered else "".join(self._said[self._step_from :])
        return self._steps.of("agent_thought", event, said=said)

    def _step(self, event: dict[str, Any]) -> Iterator[Event]:
        return self._steps.of(event["event"], event)

    def _reasoning(self, event: dict[str, Any]) -> Iterator[Event]:
        return self._steps.reasoning(event)

    def _run_started(self, event: dict[str, Any]) -> Iterator[Event]:
        # A server of 1.16 closes an answer that had no run by pretending one (API reference, annotation reply).
        if not self._ended and self._run is None:
            self._run = ""
        yield from ()

    def _run_finished(self, event: dict[str, Any]) -> Iterator[Event]:
        pretended = self._ended and "conversation_id" not in event
        if pretended or self._run not in (None, ""):
            return
        data = mapping(event.get("data"))
        self._run = run_status(data)
        if self._run == "failed":
            self._error = run_failed(data.get("error"), self._hidden)
        elif self._run == "stopped":
            self._filtered = self._filtered or "moderation" in text_of(data.get("error")).lower()
        yield from files_made(data.get("files"), self._files)

    def _form(self, event: dict[str, Any]) -> Iterator[Event]:
        yield InputRequired(mapping(event.get("data")))

    def _pause(self, event: dict[str, Any]) -> Iterator[Event]:
        self._paused = True
        yield from ()

    def _failure(self, event: dict[str, Any]) -> Iterator[Event]:
        told = error_from(event, 0, hidden=self._hidden, in_stream=True, retryable=False)
        if self._run == "failed" and isinstance(self._error, BotReplyError):
            # 0.15.3 tells a failed run twice (recorded: 0.15.3/chatflow-stream-model-fail500). The class is by the
            # word that 1.14 knows as well; the code comes with the second.
            self._error.code, self._error.http_status = told.code, told.http_status
        elif self._ended:
            yield Unrecognized("error", event)
        else:
            self._error = self._error or told


_HANDLERS: dict[str, Callable[[DifyTurn, dict[str, Any]], Iterable[Event]]] = {
    "message": DifyTurn._text,
    "agent_message": DifyTurn._text,
    "message_replace": DifyTurn._replace,
    "message_end": DifyTurn._end,
    "message_file": DifyTurn._file,
    "tts_message": DifyTurn._speech,
    "tts_message_end": DifyTurn._speech_end,
    "agent_thought": DifyTurn._thought,
    "reasoning_chunk": DifyTurn._reasoning,
    "workflow_started": DifyTurn._run_started,
    "workflow_finished": DifyTurn._run_finished,
    "workflow_paused": DifyTurn._pause,
    "human_input_required": DifyTurn._form,
    "error": DifyTurn._failure,
    **dict.fromkeys(STEPS, DifyTurn._step),
}
_ENDS = frozenset({"message_end", "error"})
_TEXT = ("message", "agent_message")
_TELL_WHAT_WAS_HELD = _ENDS | {*_TEXT, "message_replace", "message_file"}
# What may still mean something once the turn's last event has come.
_AFTER_THE_END = frozenset({"tts_message", "tts_message_end", "error", "message_end", "workflow_finished"})
