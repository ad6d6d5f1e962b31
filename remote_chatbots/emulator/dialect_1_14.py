"""How Dify 1.14 tells things.

recorded: 1.14.2/chat-stream-1-first-turn, chat-stream-stopped, chat-stream-output-moderated,
chatflow-stream-1-first-turn, chatflow-stream-model-fail500, chatflow-stream-stopped
"""

from __future__ import annotations

from collections.abc import Sequence

from . import dialect, usage
from .citations import citations, retrieval_result
from .dialect import Ending, Event, Node, NodeResult, RunResult, envelope, workflow_event
from .knowledge import Hit
from .prompts import context_of, prompts
from .turn import Turn


class Dialect114:
    """The forms of 1.14."""

    cuts_at_finish = True
    has_loops = True
    repeats_preset = False

    def usage(self, turn: Turn, prompt_tokens: int, completion_tokens: int, ending: Ending) -> Event:
        """Return the tokens of a whole turn; a streamed one that was cut short forgets them."""
        if turn.streaming and ending != "whole":
            return usage.no_usage(usage.generation_s(completion_tokens))
        return usage.usage(prompt_tokens, completion_tokens, timed=turn.streaming)

    def model_usage(self, prompt_tokens: int, completion_tokens: int) -> Event:
        """Return the tokens of one call of the model.

        A chatflow streams from its model even for a blocking request, so the times are always known
        (recorded: 1.14.2/chatflow-block-1-first-turn).
        """
        return usage.usage(prompt_tokens, completion_tokens)

    def no_usage(self) -> Event:
        """Return zeros."""
        return usage.no_usage()

    def message_end(self, turn: Turn, sources: Sequence[Hit], used: Event) -> Event:
        """Return the end of the answer; only a chatflow knows files that an answer can hold."""
        cited = citations(turn.app, sources)
        metadata = {"annotation_reply": None, "retriever_resources": cited, "usage": used}
        # recorded: 1.14.2/agent-stream-with-image
        others = [file.at_the_end() for file in turn.message.files] or None
        files = dialect.made_in_run(turn) if turn.app.is_chatflow else others
        return envelope(turn, "message_end", id=turn.message.id, metadata=metadata, files=files)

    def replacements(self, turn: Turn, text: str) -> Sequence[Event]:
        """Return the one replacement."""
        return [self.replacement(turn, text)]

    def replacement(self, turn: Turn, text: str) -> Event:
        """Return a replacement; only a chatflow says why (recorded: 1.14.2/chatflow-stream-output-moderated)."""
        reason = "output_moderation" if turn.app.is_chatflow else ""
        return envelope(turn, "message_replace", answer=text, reason=reason)

    def workflow_started(self, turn: Turn) -> Event:
        """Return the first event of a run."""
        inputs = {**turn.message.inputs, **dialect.system_variables(turn)}
        del inputs["sys.conversation_id"]
        data: Event = {
            "id": dialect.run_id(turn),
            "workflow_id": dialect.workflow_id(turn),
            "inputs": inputs,
            "created_at": turn.message.created_at,
            "reason": "initial",
        }
        return workflow_event(turn, "workflow_started", data)

    def workflow_finished(self, turn: Turn, result: RunResult) -> Event:
        """Return what came of a run; a failed one counts its failure."""
        outputs: Event = {} if result.answer is None else {"answer": result.answer, "files": dialect.made_in_run(turn)}
        data: Event = {
            "id": dialect.run_id(turn),
            "workflow_id": dialect.workflow_id(turn),
            "status": result.status,
            "outputs": outputs,
            "error": result.error,
            "elapsed_time": run_s(result),
            "total_tokens": result.used["total_tokens"] if result.used else 0,
            "total_steps": result.steps,
            "created_by": {"id": turn.end_user_id, "user": turn.user},
            "created_at": turn.message.created_at,
            "finished_at": turn.message.created_at,
            "exceptions_count": 1 if result.status == "failed" else 0,
            "files": dialect.made_in_run(turn),
        }
        return workflow_event(turn, "workflow_finished", data)

    def node_started(self, turn: Turn, node: Node) -> Event:
        """Return the beginning of a node."""
        data: Event = {
            **_node_head(turn, node),
            "inputs": None,
            "inputs_truncated": False,
            "created_at": turn.message.created_at,
            "extras": {},
            "iteration_id": None,
            "loop_id": None,
            "agent_strategy": None,
        }
        return workflow_event(turn, "node_started", data)

    def node_finished(self, turn: Turn, node: Node, result: NodeResult) -> Event:
        """Return the end of a node."""
        data: Event = {
            **_node_head(turn, node),
            "inputs": result.inputs or {},
            "inputs_truncated": False,
            "process_data": result.process_data or {},
            "process_data_truncated": False,
            "outputs": result.outputs or {},
            "outputs_truncated": False,
            "status": result.status,
            "error": result.error,
            "elapsed_time": result.elapsed_s,
            "execution_metadata": result.execution_metadata,
            "created_at": turn.message.created_at,
            "finished_at": turn.message.created_at,
            "files": [],
            "iteration_id": None,
            "loop_id": None,
        }
        return workflow_event(turn, "node_finished", data)

    def started(self, turn: Turn) -> NodeResult:
        """Return the inputs; the variables that every run has are not among them."""
        return NodeResult(inputs=turn.message.inputs, outputs=turn.message.inputs)

    def retrieved(self, turn: Turn) -> NodeResult:
        """Return the segments, and that the search used no tokens."""
        return NodeResult(
            inputs={"query": turn.message.query},
            process_data={"usage": usage.no_usage()},
            outputs={"result": retrieval_result(turn.sources)},
            elapsed_s=dialect.RETRIEVAL_S,
            execution_metadata={"total_tokens": 0, "total_price": "0.0", "currency": "USD"},
        )

    def generated(self, turn: Turn, answer: str, used: Event) -> NodeResult:
        """Return the answer, and all that the model read."""
        return NodeResult(
            inputs=_llm_inputs(turn),
            process_data={
                "model_mode": "chat",
                "prompts": prompts_told(turn),
                "usage": used,
                "finish_reason": "stop",
                **dialect.MODEL,
            },
            outputs={"text": answer, "reasoning_content": "", "usage": used, "finish_reason": "stop"},
            elapsed_s=used["latency"],
            execution_metadata=spent(used),
        )

    def broke_off(self, turn: Turn, error: str) -> NodeResult:
        """Return the failure."""
        return NodeResult(inputs=_llm_inputs(turn), status="failed", error=error, elapsed_s=dialect.FAILURE_S)

    def answered(self, answer: str) -> NodeResult:
        """Return the answer."""
        return NodeResult(outputs={"answer": answer, "files": []})


def prompts_told(turn: Turn) -> list[Event]:
    """Return what the model read, as a node tells it."""
    return [{"role": role, "text": text, "files": []} for role, text in prompts(turn, context_of(turn.sources))]


def spent(used: Event) -> Event:
    """Return what a node says that it cost."""
    return {
        "total_tokens": used["total_tokens"],
        "total_price": used["total_price"],
        "currency": used["currency"],
    }


def run_s(result: RunResult) -> float:
    """Return how long a run pretends to have taken, in seconds."""
    return round(dialect.RETRIEVAL_S + (result.used["latency"] if result.used else usage.generation_s(1)), 6)


def _node_head(turn: Turn, node: Node) -> Event:
    return {
        "id": turn.id_of("node", node.id),
        "node_id": node.id,
        "node_type": node.type,
        "title": node.title,
        "index": 1,
        "predecessor_node_id": None,
    }


def _llm_inputs(turn: Turn) -> Event:
    if not turn.sources:
        return dict(dialect.MODEL)
    return {"#context#": context_of(turn.sources), **dialect.MODEL}
