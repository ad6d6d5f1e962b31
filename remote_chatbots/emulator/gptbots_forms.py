"""The forms in which GPTBots tells of an answer: whole, and the parts that a stream shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .gptbots_library import Library
from .gptbots_speech import seconds
from .gptbots_state import cost_of
from .gptbots_turn import AgentTurn, Output
from .knowledge import Hit

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer comes from, as far as its forms tell of it.

    Attributes:
        agent_id: Of the agent that answers.
        library: Knows the ids of the sources.
        media_url: What the addresses of files begin with.
    """

    agent_id: str
    library: Library
    media_url: str

    def speech_url(self, turn: AgentTurn) -> str:
        """Return where a spoken answer can be fetched."""
        return f"{self.media_url}/{turn.answer_id}.wav"


def answer_v1(turn: AgentTurn) -> Record:
    """Return a blocking answer (send message, v1)."""
    return {
        "message_id": turn.answer_id,
        "message_type": "ANSWER",
        "text": "" if turn.only_outputs else turn.text,
        "flow_output": [flow_item(each) for each in turn.flow_outputs],
        "create_time": turn.created_at,
        "conversation_id": turn.asked.conversation_id,
    }


def answer_v2(turn: AgentTurn, origin: Origin) -> Record:
    """Return a blocking answer (send message, v2)."""
    told: Record = {
        "create_time": turn.created_at,
        "conversation_id": turn.asked.conversation_id,
        "message_id": turn.answer_id,
        "output": [
            {
                "from_component_branch": output.branch,
                "from_component_name": output.component,
                "content": _content(turn, output, origin),
            }
            for output in turn.outputs
        ],
        "usage": {"tokens": token_counts(turn), "credits": _credits(turn)},
    }
    if turn.asked.marks_citations:
        told["citations"] = [_citation(number, hit, turn, origin) for number, hit in enumerate(turn.cited, 1)]
    return told


def flow_item(output: Output) -> Record:
    """Return what a component says, as v1 and the streams tell it."""
    return {"content": output.text, "branch": output.branch, "from_component_name": output.component}


def spoken_flow_item(output: Output, url: str) -> Record:
    """Return what a component speaks: `content` is a sentence made of address and text (send message, v2)."""
    sound = {"transcript": output.text, "url": url, "seconds": seconds(output.text)}
    return {**flow_item(output), "content": f"Audio: {url} Transcript: {output.text}", "audioDatas": [sound]}


def token_counts(turn: AgentTurn) -> Record:
    """Return the tokens of a turn."""
    cost = cost_of(turn)
    audio = cost.completion_tokens if turn.is_spoken else 0
    return {
        "total_tokens": cost.prompt_tokens + cost.completion_tokens,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "prompt_tokens_details": {"audio_tokens": 0, "text_tokens": cost.prompt_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": audio,
            "text_tokens": cost.completion_tokens - audio,
        },
    }


def streamed_citation(number: int, hit: Hit, turn: AgentTurn, origin: Origin) -> Record:
    """Return one item of frame 20: nested, and in other words than the blocking answer (send message, v2)."""
    flat = _citation(number, hit, turn, origin)
    return {
        "citation": {
            "index": flat["index"],
            "name": flat["name"],
            "type": flat["type"],
            "tool": None,
            "doc": None,
            "attachment": None,
            "segmentIndex": flat["segment_index"],
            "timestampMillis": flat["timestamp_millis"],
            "position": flat["position"],
            "segmentId": flat["segment_id"],
            "botId": flat["bot_id"],
            "dataId": flat["data_id"],
            "toolId": None,
            "content": flat["content"],
        }
    }


def correlated_attachment(hit: Hit, turn: AgentTurn, origin: Origin) -> Record:
    """Return one item of frame 83: a passage that was found (send message, v2)."""
    segment = hit.segment
    return {
        "dataId": origin.library.document_id(segment.document_name),
        "dataName": segment.document_name,
        "dataType": "doc",
        "url": source_url(segment.document_name),
        "content": segment.content,
        "segmentId": origin.library.segment_id(segment),
        "segmentIndex": segment.position,
        "dimensions": None,
        "timestampMillis": millis(turn.created_at),
        "position": "",
        "componentId": None,
        "showDocCorrelation": None,
        "nodeId": None,
    }


def source_url(document_name: str) -> str:
    """Return where a document was taken from; nothing is there."""
    return f"https://saltmouth.example/{document_name}"


def millis(moment: int) -> int:
    """Return a Unix time in milliseconds."""
    return moment * 1000


def _content(turn: AgentTurn, output: Output, origin: Origin) -> Record:
    if not turn.is_spoken:
        return {"text": output.text}
    return {"text": "", "audio": [{"audio": origin.speech_url(turn), "transcript": output.text}]}


def _credits(turn: AgentTurn) -> Record:
    cost = cost_of(turn)
    spoken = cost.output_credits if turn.is_spoken else 0.0
    return {
        "total_credits": cost.credits,
        "text_input_credits": cost.input_credits,
        "text_output_credits": cost.output_credits - spoken,
        "audio_input_credits": 0.0,
        "audio_output_credits": spoken,
    }


def _citation(number: int, hit: Hit, turn: AgentTurn, origin: Origin) -> Record:
    segment = hit.segment
    return {
        "index": str(number),
        "name": segment.document_name,
        "type": "doc",
        "content": segment.content,
        "segment_id": origin.library.segment_id(segment),
        "segment_index": segment.position,
        "position": "",
        "timestamp_millis": millis(turn.created_at),
        "data_id": origin.library.document_id(segment.document_name),
        "bot_id": origin.agent_id,
        "attachment": None,
        "component_id": None,
    }
