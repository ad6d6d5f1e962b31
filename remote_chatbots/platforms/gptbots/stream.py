"""What the frames of a GPTBots turn mean, and when the turn is over.

Sources: GPTBots API reference, "Send message" (v1: the codes 3, 10 and 0) and "Send message v2" (11, 3, 39, 10, 4, 0);
its white-label edition (20, 83) and the agent skills (5, 6, 36, 41, -50000). No order of frames is promised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from remote_chatbots.errors import BotReplyError, BotTruncatedError
from remote_chatbots.events import (
    Event,
    Finished,
    MediaProduced,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)
from remote_chatbots.flow import Flow
from remote_chatbots.framing import Frame, parse_json
from remote_chatbots.platforms.gptbots.errors import (
    FIRST_ERROR_CODE,
    NAME,
    WRAPPED_ERROR,
    code_of,
    error_from,
    not_allowed,
    of_another,
)
from remote_chatbots.platforms.gptbots.values import TOOL_CALL, count, seconds, source_of, step_id, tool_step, usage_of
from remote_chatbots.reading import mapping, objects, octets, text
from remote_chatbots.steps import StepsSoFar
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import HttpRequest

BETWEEN_COMPONENTS = "\n\n"
TEXT = 3
# After the frame that hands the talk to a human, how long to wait for the End that no page promises.
HANDOFF_END_S = 2.0


class GPTBotsTurn:
    """Interprets one turn, frame by frame; an `Interpreter` for `StreamReader`.

    Args:
        settings: Patience.
        look_up: The flow that finds the text of an answer that came without any, from its id.
        more_sources: The flow that asks for the passages behind an answer, from its id; None if it is not to be asked.
        hidden: What no error message may repeat: the key, the question.
    """

    def __init__(
        self,
        settings: Settings,
        look_up: Callable[[str], Flow[str]] | None = None,
        more_sources: Callable[[str], Flow[tuple[Source, ...]]] | None = None,
        hidden: tuple[str, ...] = (),
    ) -> None:
        self._settings = settings
        self._look_up = look_up
        self._more_sources = more_sources
        self._hidden = hidden
        self._message_id = ""
        self._texts = False  # a 3-frame with text came: the answer is these
        self._transcripts = False  # no 3-frame came, and the words of its speech are the answer
        self._flow: list[Any] = []
        self._cited: list[Source] = []
        self._found: list[Source] = []  # passages that were found for the answer, some of which it may cite
        self._usage: Usage | None = None
        self._tools: list[str] = []  # the ids of calls under way
        self._calls = 0
        self._steps = StepsSoFar()
        self._heard = False
        self._came_empty = False  # as one object, in which nothing is said
        self._ended = False
        self._another = False  # behind the end, frames of another answer began
        self._handed_over = False
        self._error: BotReplyError | None = None
        self._metadata: dict[str, Any] = {}

    def take(self, frame: Frame, out: list[Event]) -> None:
        """Append to `out` the events that `frame` means.

        Raises:
            BotProtocolError: If a whole frame holds no JSON or names another answer, or the first is nothing that an
                answer begins with.
        """
        try:
            told = parse_json(frame.data)
        except ValueError:
            if frame.complete or frame.data.startswith(b"<"):
                raise not_allowed("a frame of the stream is no JSON", frame.data, self._hidden) from None
            return  # a frame cut in two (no web page); `closing` says whether that matters
        code = told.get("code") if isinstance(told, dict) else None
        code = count(code) if isinstance(code, str) else code
        if code == TEXT and isinstance(said := told.get("data"), str) and not self._over():
            # The one frame that comes by the thousand.
            if said and self._transcripts:
                self._transcripts = False
                out.append(TextReplaced(said))
            elif said:
                out.append(TextDelta(said))
            self._texts = self._texts or bool(said)
            self._heard = True
            return
        if not isinstance(told, dict):
            out.append(Unrecognized("", told))
        elif self._over() and not (self._ended and code in _AFTER_THE_END and not self._another):
            out.append(Unrecognized(text(told.get("message")), told))
        elif _is_error(told, heard=self._heard):
            self._error = error_from(told, 200 if not self._heard else 0, hidden=self._hidden, in_stream=self._heard,
                                     retryable=False if self._heard else None)  # fmt: skip
        elif not self._heard and (whole := _whole_in(told)):
            out.extend(self._whole(whole))
        elif "code" not in told and not self._heard:
            raise not_allowed("the reply is no answer", frame.data, self._hidden)
        else:
            handler = _HANDLERS.get(code) if type(code) is int else None
            out.extend(handler(self, told) if handler else [Unrecognized(text(told.get("message")), told)])
            self._heard = True

    def wait_s(self) -> float | None:
        """Return how much longer to read, in seconds; None as long as the turn is not over."""
        if self._over():
            return self._settings.end_grace_s
        return HANDOFF_END_S if self._handed_over else None

    def closing(self) -> Flow[None]:
        """Yield the turn's last events, once no more frames come.

        Raises:
            BotReplyError: If the server said so in the stream.
            BotTruncatedError: If the frame that ends a turn never came.
        """
        if not (self._texts or self._transcripts) and (said := self._flow_text()):
            yield TextDelta(said)
        if self._error is not None:
            raise self._error
        if not self._ended and not self._handed_over:
            raise BotTruncatedError.of(
                NAME,
                "the stream ended before its End frame came. The message has probably arrived: recover "
                "it, or look at the conversation's history, before you ask again.",
            )
        if self._came_empty and not self._flow_text() and self._look_up is not None:
            # Some answers come empty, and are whole in the history a moment later (found by a public client).
            said = yield from self._look_up(self._message_id)
            if said:
                yield TextDelta(said)
        cited = {(one.document_id, one.segment_id, one.content) for one in self._cited}
        found = (one for one in self._found if (one.document_id, one.segment_id, one.content) not in cited)
        sources = (*self._cited, *found)
        if not sources and self._more_sources is not None:
            sources = yield from self._more_sources(self._message_id)
        if sources:
            yield SourcesFound(sources)
        if self._usage is not None:
            yield UsageReported(self._usage)
        if self._flow:
            # Beside the text, or as what the text was made of.
            self._metadata["flow_output" if self._texts or self._transcripts else "output"] = self._flow
        yield Finished("handoff" if self._handed_over else "stop", self._metadata)

    def stop_request(self) -> HttpRequest | None:
        """Return None: GPTBots offers no call that stops an answer."""
        return None

    def _over(self) -> bool:
        return self._ended or self._error is not None

    def _flow_text(self) -> str:
        """Return what the components of a flow said: the answer, where nothing else is."""
        return BETWEEN_COMPONENTS.join(filter(None, map(_component_text, self._flow)))

    def _info(self, told: dict[str, Any]) -> Iterator[Event]:
        message_id = text(mapping(told.get("data")).get("message_id"))
        if message_id and not self._message_id:
            self._message_id = message_id
            yield Started(message_id=message_id)
        elif message_id and message_id != self._message_id:
            if not self._ended:
                raise of_another()
            self._another = True
            yield Unrecognized(text(told.get("message")), told)

    def _flow_output(self, told: dict[str, Any]) -> Iterator[Event]:
        data = told.get("data")
        items = data if isinstance(data, list) else [data] if data else []
        self._flow += items
        for item in objects(items):
            for speech in objects(item.get("audioDatas")):
                if url := text(speech.get("url")):
                    yield MediaProduced("audio", url=url, raw=speech)

    def _speech(self, told: dict[str, Any]) -> Iterator[Event]:
        said = mapping(told.get("data"))
        transcript = text(said.get("transcript"))
        if transcript and not self._texts:
            self._transcripts = True
            yield TextDelta(transcript)
        data = octets(said.get("audioAnswer"))
        if data is None:
            yield Unrecognized("Audio", told)
        elif data:
            yield MediaProduced("audio", data=data)  # in which format, no page says

    def _thought(self, told: dict[str, Any]) -> Iterator[Event]:
        data = told.get("data")
        words = (mapping(data).get(key) for key in ("thought", "reasoning", "text", "content"))
        said = text(data) or next(filter(None, map(text, words)), "")
        yield Reasoning(said) if said else Unrecognized("Thought", told)

    def _cite(self, told: dict[str, Any]) -> Iterator[Event]:
        self._cited += _sources(told.get("data"))
        yield from ()

    def _find(self, told: dict[str, Any]) -> Iterator[Event]:
        self._found += _sources(told.get("data"))
        yield from ()

    def _cost(self, told: dict[str, Any]) -> Iterator[Event]:
        if isinstance(told.get("data"), dict):
            self._usage = usage_of(told["data"])
        yield from ()

    def _tool(self, told: dict[str, Any]) -> Iterator[Event]:
        code, data = told["code"], told.get("data")
        id_ = step_id(data)
        if code == TOOL_CALL:
            self._calls += 1
            id_ = id_ or f"call-{self._calls}"
            self._tools.append(id_)
        elif id_ in self._tools:
            self._tools.remove(id_)
        elif self._tools and not id_:
            id_ = self._tools.pop(0)  # the oldest call under way
        if step := self._steps.add(tool_step(code, data, id_ or f"call-{self._calls}")):
            yield step

    def _hand_over(self, told: dict[str, Any]) -> Iterator[Event]:
        self._handed_over = True
        yield Unrecognized(text(told.get("message")) or "HandedOver", told)

    def _end(self, told: dict[str, Any]) -> Iterator[Event]:
        self._ended = True
        yield from ()

    def _whole(self, told: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of an answer that came as one object, of either version."""
        self._message_id = text(told.get("message_id"))
        yield Started(message_id=self._message_id, created_at=seconds(told.get("create_time")))
        output = objects(told.get("output"))
        spoken = [speech for item in output for speech in objects(mapping(item.get("content")).get("audio"))]
        for speech in spoken:
            if url := text(speech.get("audio")):
                yield MediaProduced("audio", url=url, raw=speech)
        if len(output) > 1:
            self._metadata["output"] = output
        said = BETWEEN_COMPONENTS.join(filter(None, map(_output_text, output))) or text(told.get("text"))
        if said:
            self._texts = True
            yield TextDelta(said)
        self._came_empty = not said and not spoken
        self._flow = objects(told.get("flow_output"))
        self._cited = _sources(told.get("citations"))
        if isinstance(told.get("usage"), dict):
            self._usage = usage_of(told["usage"])
        self._ended = True


def _is_error(told: dict[str, Any], *, heard: bool) -> bool:
    code = code_of(told)
    if not code:
        return "code" not in told and bool(told.get("error"))
    number = count(code)
    if number is None:
        return True  # COIN_NOT_ENOUGH and its like, and what is negative
    # A gateway's refusal is a code below the platform's own, and words. Frames carry data; in mid-stream, where a
    # frame of a kind that is not known may stand, even if it is null.
    carries = "data" in told if heard else told.get("data") is not None
    refused = number >= 400 and not carries and ("message" in told or "msg" in told)
    return number >= FIRST_ERROR_CODE or str(told.get("code")) == WRAPPED_ERROR or refused or bool(told.get("error"))


def _whole_in(told: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that `told` is, bare or in the envelope that other calls have; {} if it is none."""
    if "code" not in told:
        return told if told.keys() & {"output", "text", "message_id"} else {}
    answer = {} if code_of(told) else mapping(told.get("data")) or told
    return answer if answer.keys() & {"output", "text"} else {}


def _sources(told: Any) -> list[Source]:
    return [source_of(item) for item in objects(told)]


def _transcript(spoken: Any) -> str:
    return "\n".join(filter(None, (text(speech.get("transcript")) for speech in objects(spoken))))


def _component_text(item: Any) -> str:
    # Beside speech, `content` is a sentence made of its address and transcript.
    return text(item) or _transcript(mapping(item).get("audioDatas")) or text(mapping(item).get("content"))


def _output_text(item: dict[str, Any]) -> str:
    content = item.get("content")
    return text(content) or text(mapping(content).get("text")) or _transcript(mapping(content).get("audio"))


# No order of frames is promised: these are as good behind the End as before it.
_AFTER_THE_END = (4, 11, 20, 83)


_HANDLERS: dict[int, Callable[[GPTBotsTurn, dict[str, Any]], Iterator[Event]]] = {
    11: GPTBotsTurn._info,
    39: GPTBotsTurn._speech,
    10: GPTBotsTurn._flow_output,
    4: GPTBotsTurn._cost,
    0: GPTBotsTurn._end,
    5: GPTBotsTurn._tool,
    6: GPTBotsTurn._tool,
    41: GPTBotsTurn._thought,
    83: GPTBotsTurn._find,
    20: GPTBotsTurn._cite,
    36: GPTBotsTurn._hand_over,
}
