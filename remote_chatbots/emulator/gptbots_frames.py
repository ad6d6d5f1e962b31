"""What one turn with an agent is on the wire: frames of a number, its name and data.

The order is the documented one (send message, v1 and v2). Not documented is what stands in the frames 5, 6, 36 and 41,
where 20 and 83 stand, and how a model's failure is told: all of that is the emulator's choice.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .gptbots_forms import Origin, correlated_attachment, flow_item, spoken_flow_item, streamed_citation, token_counts
from .gptbots_refusals import INTERNAL, AgentRefusal
from .gptbots_speech import spoken
from .gptbots_turn import AgentTurn
from .model import Step, tokens

Frame = dict[str, Any]

TEXT, MESSAGE_INFO, AUDIO, FLOW_OUTPUT, COST, END = 3, 11, 39, 10, 4, 0
TOOL_CALL, TOOL_RESULT, THOUGHT, FOUND, CITATION, HANDOFF = 5, 6, 41, 83, 20, 36
PACED = frozenset({TEXT, AUDIO, THOUGHT})

_THOUGHT = "The user asks. I look into what I know."
_AUDIO_PIECES = 3


def frame(code: int, message: str, data: Any) -> Frame:
    """Return one frame."""
    return {"code": code, "message": message, "data": data}


def text_frame(text: str) -> Frame:
    """Return one piece of the answer."""
    return frame(TEXT, "Text", text)


def error_frame(code: int, message: str) -> Frame:
    """Return a frame that is an error body."""
    return {"code": code, "message": message}


def frames_v1(turn: AgentTurn) -> Iterator[Frame]:
    """Yield a turn in the old form, which knows text, outputs and the end alone."""
    yield from (each for each in _answer(turn) if each["code"] == TEXT)
    if turn.script.failure is not None:
        yield _failure()
        return
    if turn.flow_outputs:
        yield frame(FLOW_OUTPUT, "FlowOutput", [flow_item(output) for output in turn.flow_outputs])
    yield frame(END, "End", None)


def frames_v2(turn: AgentTurn, origin: Origin) -> Iterator[Frame]:
    """Yield a turn in the current form."""
    yield frame(MESSAGE_INFO, "MessageInfo", {"message_id": turn.answer_id})
    if "thought" in turn.tags:
        for token in tokens(_THOUGHT):
            yield frame(THOUGHT, "Thought", token)
    yield from _spoken(turn) if turn.is_spoken else _answer(turn)
    if turn.script.failure is not None:
        yield _failure()
        return
    if turn.cited:
        yield frame(FOUND, "CorrelateAttachment", [correlated_attachment(hit, turn, origin) for hit in turn.sources])
        numbered = enumerate(turn.cited, 1)
        cited = [streamed_citation(number, hit, turn, origin) for number, hit in numbered]
        yield frame(CITATION, "Citation", cited)
    if turn.flow_outputs:
        yield _flow_output(turn, origin)
    if "handoff" in turn.tags:
        yield frame(HANDOFF, "HumanHandoff", None)
    yield frame(COST, "Cost", token_counts(turn))
    yield frame(END, "End", None)


def _answer(turn: AgentTurn) -> Iterator[Frame]:
    if turn.only_outputs:
        return
    left = len(turn.said)
    for step in turn.script.steps:
        for token in step.tokens[:left]:
            yield text_frame(token)
        left -= len(step.tokens)
        if left < 0:
            return
        yield from _tool(turn, step)


def _flow_output(turn: AgentTurn, origin: Origin) -> Frame:
    url = origin.speech_url(turn)
    told = [spoken_flow_item(each, url) if turn.is_spoken else flow_item(each) for each in turn.flow_outputs]
    return {**frame(FLOW_OUTPUT, "FlowOutput", told), "componentId": len(told)}


def _tool(turn: AgentTurn, step: Step) -> Iterator[Frame]:
    if step.call is None:
        return
    called = {"id": f"call_{turn.answer_id}", "name": step.call.name}
    yield frame(TOOL_CALL, "ToolCall", {**called, "arguments": dict(step.call.arguments)})
    yield frame(TOOL_RESULT, "ToolResult", {**called, "content": step.call.observation})


def _spoken(turn: AgentTurn) -> Iterator[Frame]:
    if turn.only_outputs:
        return
    for token in turn.said:
        yield frame(AUDIO, "Audio", {"audioAnswer": "", "transcript": token})
    sound = spoken(turn.text)
    size = -(-len(sound) // _AUDIO_PIECES)
    for begin in range(0, len(sound), size):
        piece = base64.b64encode(sound[begin : begin + size]).decode()
        yield frame(AUDIO, "Audio", {"audioAnswer": piece, "transcript": ""})


def _failure() -> Frame:
    refusal = AgentRefusal(INTERNAL)
    return error_frame(refusal.code, refusal.message)
