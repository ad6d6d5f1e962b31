"""What an answer has beside its text, as LangChain's content blocks: thoughts, steps, speech, files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from remote_chatbots import Event, Finished, MediaProduced, Reasoning, Step, TextDelta, TextReplaced
from remote_chatbots.file_types import type_named
from remote_chatbots.spoken import SpeechSoFar
from remote_chatbots.steps import ToolCall, told_of, tool_calls

# Where a message keeps the blocks that an answer has beside its text, each with the place in the text where it stands.
# LangChain adds such lists by `index`; numbers it sums up, so a block names its place once.
BLOCKS = "blocks"


class StepBlocks:
    """Makes blocks of a bot's steps: of a tool's call and of its result one each, of any other step one a status."""

    def __init__(self) -> None:
        self._called: dict[str, Any] = {}  # the arguments that were told, by the call's id
        self._returned: set[str] = set()
        self._statuses: dict[tuple[str, str], tuple[str, str]] = {}  # with the error: a node may fail twice

    def of(self, step: Step) -> Iterator[dict[str, Any]]:
        """Yield the blocks that `step` is the first to tell."""
        for call in tool_calls(step):
            yield from self._of_call(call)
        key, status = (step.kind, step.id), (step.status, step.error)
        if step.kind not in ("thought", "tool") and self._statuses.get(key) != status:
            self._statuses[key] = status
            yield {"type": "non_standard", "value": {"step": told_of(step)}}

    def _of_call(self, call: ToolCall) -> Iterator[dict[str, Any]]:
        if call.id not in self._called and (call.name or not call.done):
            self._called[call.id] = call.args
            yield {"type": "server_tool_call", "id": call.id, "name": call.name, "args": dict(call.args)}
        if call.done and call.id not in self._returned:
            self._returned.add(call.id)
            status = "error" if call.failed else "success"
            result = {"type": "server_tool_result", "tool_call_id": call.id, "status": status, "output": call.output}
            # Some arguments are told with the result alone (recorded: 1.14.2/agent-react-stream-1-one-tool).
            late = call.args and call.args != self._called.get(call.id)
            yield {**result, "extras": {"args": dict(call.args)}} if late else result


def flow_output(event: Finished) -> dict[str, Any] | None:
    """Return what a flow put out beside the text, as a block; None if nothing."""
    if "flow_output" not in event.metadata:
        return None
    return {"type": "non_standard", "value": {"flow_output": event.metadata["flow_output"]}}


def file_block(made: MediaProduced) -> dict[str, Any]:
    """Return a file that the bot made as a block; until when its address is good stands in `extras`."""
    mime_type = made.mime_type or type_named(made.name) or type_named(urlsplit(made.url).path)
    extras = {"filename": made.name, "expires_at": made.expires_at, "kind": made.kind}
    block = {
        "type": made.kind if made.kind in ("image", "audio", "video") else "file",
        "id": made.id,
        "url": made.url,
        "mime_type": mime_type,
        "extras": {key: value for key, value in extras.items() if value},
    }
    return {key: value for key, value in block.items() if value}


class Beside:
    """Makes the blocks of one turn, each with its number and its place in the text."""

    def __init__(self) -> None:
        self._at = 0
        self._blocks: list[dict[str, Any]] = []
        self._steps = StepBlocks()
        self._speech = SpeechSoFar()
        self._spoken_in: dict[str, Any] = {}  # the block
        self._thought: list[str] | None = None  # the pieces of the thought under way

    def text(self, event: TextDelta) -> None:
        """Take more of the text."""
        self._at += len(event.text)
        if self._thought is not None:
            self._end_thought()

    def of(self, event: Event) -> list[dict[str, Any]]:
        """Return the blocks, or pieces of blocks, that `event` is; [] if it is none."""
        match event:
            case TextDelta():
                self.text(event)
            case Reasoning(text):
                return [self._more_thought(text)]
            case Step():
                return [self._begun(block) for block in self._steps.of(event)]
            case MediaProduced() if event.data:
                return [self._more_speech(event)]
            case MediaProduced() if event.url:
                return [self._begun(file_block(event))]
            case TextReplaced(text):
                self._end_thought()
                for block in self._blocks:  # the new text stands behind all of them
                    block["at"] = 0
                self._at = len(text)
            case Finished():
                rest = self._speech.rest()
                found = [{"type": "audio", "base64": rest, "index": self._spoken_in["index"]}] if rest else []
                beside = flow_output(event)
                return found if beside is None else [*found, self._begun(beside)]
        return []

    def blocks(self) -> list[dict[str, Any]]:
        """Return the blocks so far."""
        self._end_thought()
        if self._spoken_in:
            self._spoken_in["base64"] = self._speech.whole()
        return self._blocks

    def _more_thought(self, text: str) -> dict[str, Any]:
        if self._thought is not None:
            self._thought.append(text)
            return {"type": "reasoning", "reasoning": text, "index": len(self._blocks) - 1}
        block = self._begun({"type": "reasoning", "reasoning": text})
        self._thought = [text]
        return block

    def _more_speech(self, event: MediaProduced) -> dict[str, Any]:
        told = self._speech.take(event)
        if self._spoken_in:
            return {"type": "audio", "base64": told, "index": self._spoken_in["index"]}
        block = self._begun({"type": "audio", "mime_type": self._speech.mime_type, "base64": told})
        self._spoken_in = self._blocks[-1]
        return block

    def _begun(self, block: dict[str, Any]) -> dict[str, Any]:
        self._end_thought()
        self._blocks.append({**block, "index": len(self._blocks), "at": self._at})
        return dict(self._blocks[-1])

    def _end_thought(self) -> None:
        if self._thought is not None:
            self._blocks[-1]["reasoning"] = "".join(self._thought)
            self._thought = None
