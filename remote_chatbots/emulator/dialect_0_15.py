"""How Dify 0.15 tells things.

recorded: 0.15.3/chat-stream-1-first-turn, chat-stream-stopped, chat-stream-output-moderated,
agent-stream-1-one-tool, chatflow-stream-1-first-turn, chatflow-stream-model-fail500, chatflow-stream-stopped
"""

from __future__ import annotations

from collections.abc import Sequence

from . import dialect, usage
from .citations import citations_of_0_15, retrieval_result_of_0_15
from .dialect import Ending, Event, Node, NodeResult, RunResult, envelope, workflow_event
from .dialect_1_14 import prompts_told, run_s, spent
from .knowledge import Hit
from .prompts import context_of
from .turn import Turn

_NO_BRANCH = {
    "parallel_id": None,
    "parallel_start_node_id": None,
    "parent_parallel_id": None,
    "parent_parallel_start_node_id": None,
    "iteration_id": None,
}


class Dialect015:
    """The forms of 0.15."""

    cuts_at_finish = False
    has_loops = False
    repeats_preset = True

    def usage(self, turn: Turn, prompt_tokens: int, completion_tokens: int, ending: Ending) -> Event:
        """Return the tokens of a turn; one that is cut short tells them too.

        A withdrawn answer counts for nothing, and an agent that came to its end leaves some sums at zero
        (recorded: 0.15.3/chat-stream-output-moderated, agent-stream-1-one-tool).
        """
        withdrawn = ending == "withdrawn" and turn.streaming
        used = _untimed(usage.usage(prompt_tokens, 0 if withdrawn else completion_tokens))
        if turn.app.mode == "agent-chat" and ending == "whole":
            zeros = dict.fromkeys(
                ("prompt_unit_price", "prompt_price_unit", "completion_unit_price", "completion_price_unit"), "0.0"
            )
            return {**used, **zeros, "total_tokens": 0, "latency": 0.0}
        return used

    def model_usage(self, prompt_tokens: int, completion_tokens: int) -> Event:
        """Return the tokens of one call of the model."""
        return _untimed(usage.usage(prompt_tokens, completion_tokens))

    def no_usage(self) -> Event:
        """Return zeros."""
        return _untimed(usage.no_usage())

    def message_end(self, turn: Turn, sources: Sequence[Hit], used: Event) -> Event:
        """Return the end of the answer; only a chatflow that searched tells that it found nothing."""
        cited = citations_of_0_15(turn.app, sources)
        told: Event = {"retriever_resources": cited} if cited or turn.app.is_chatflow else {}
        # A chat or agent app tells of none (recorded: 0.15.3/agent-stream-with-image).
        files = dialect.made_in_run(turn) if turn.app.is_chatflow else None
        return envelope(turn, "message_end", id=turn.message.id, metadata={**told, "usage": used}, files=files)

    def replacements(self, turn: Turn, text: str) -> Sequence[Event]:
        """Return the replacement, from a chat app twice."""
        return [self.replacement(turn, text)] * (1 if turn.app.is_chatflow else 2)

    def replacement(self, turn: Turn, text: str) -> Event:
        """Return a replacement, which gives no reason."""
        return envelope(turn, "message_replace", answer=text)

    def workflow_started(self, turn: Turn) -> Event:
        """Return the first event of a run, which is counted."""
        data: Event = {
            **_run_head(turn),
            "inputs": _variables(turn),
            "created_at": turn.message.created_at,
        }
        return workflow_event(turn, "workflow_started", data)

    def workflow_finished(self, turn: Turn, result: RunResult) -> Event:
        """Return what came of a run."""
        data: Event = {
            **_run_head(turn),
            "status": result.status,
            "outputs": None if result.answer is None else {"answer": result.answer},
            "error": result.error,
            "elapsed_time": run_s(result),
            "total_tokens": result.used["total_tokens"] if result.used else 0,
            "total_steps": result.steps,
            "created_by": {"id": turn.end_user_id, "user": turn.user},
            "created_at": turn.message.created_at,
            "finished_at": turn.message.created_at,
            "exceptions_count": 0,
            "files": dialect.made_in_run(turn),
        }
        return workflow_event(turn, "workflow_finished", data)

    def node_started(self, turn: Turn, node: Node) -> Event:
        """Return the beginning of a node."""
        data: Event = {
            **_node_head(turn, node),
            "inputs": None,
            "created_at": turn.message.created_at,
            "extras": {},
            **_NO_BRANCH,
            "parallel_run_id": None,
        }
        return workflow_event(turn, "node_started", data)

    def node_finished(self, turn: Turn, node: Node, result: NodeResult) -> Event:
        """Return the end of a node; what is empty is null."""
        data: Event = {
            **_node_head(turn, node),
            "inputs": result.inputs,
            "process_data": result.process_data,
            "outputs": result.outputs,
            "status": result.status,
            "error": result.error,
            "elapsed_time": result.elapsed_s,
            "execution_metadata": result.execution_metadata,
            "created_at": turn.message.created_at,
            "finished_at": turn.message.created_at,
            "files": [],
            **_NO_BRANCH,
        }
        return workflow_event(turn, "node_finished", data)

    def started(self, turn: Turn) -> NodeResult:
        """Return all variables of the run."""
        return NodeResult(inputs=_variables(turn), outputs=_variables(turn))

    def retrieved(self, turn: Turn) -> NodeResult:
        """Return the segments."""
        return NodeResult(
            inputs={"query": turn.message.query},
            outputs={"result": retrieval_result_of_0_15(turn.sources)},
            elapsed_s=dialect.RETRIEVAL_S,
        )

    def generated(self, turn: Turn, answer: str, used: Event) -> NodeResult:
        """Return the answer, and all that the model read."""
        return NodeResult(
            inputs=_llm_inputs(turn),
            process_data=_read(turn),
            outputs={"text": answer, "usage": used, "finish_reason": "stop"},
            elapsed_s=used["latency"],
            execution_metadata=spent(used),
        )

    def broke_off(self, turn: Turn, error: str) -> NodeResult:
        """Return the failure, and all that the model read."""
        return NodeResult(
            inputs=_llm_inputs(turn),
            process_data=_read(turn),
            status="failed",
            error=error,
            elapsed_s=dialect.FAILURE_S,
        )

    def answered(self, answer: str) -> NodeResult:
        """Return the answer."""
        return NodeResult(outputs={"answer": answer, "files": []})


def _untimed(used: Event) -> Event:
    return {key: value for key, value in used.items() if not key.startswith("time_to_")}


def _variables(turn: Turn) -> Event:
    # Here a dialogue is counted when it is over.
    system = dialect.system_variables(turn)
    return {**turn.message.inputs, **system, "sys.dialogue_count": turn.number - 1}


def _run_head(turn: Turn) -> Event:
    return {
        "id": dialect.run_id(turn),
        "workflow_id": dialect.workflow_id(turn),
        "sequence_number": turn.run_number,
    }


def _node_head(turn: Turn, node: Node) -> Event:
    place = dialect.NODES.index(node if node in dialect.NODES else dialect.RETRIEVAL)  # rounds stand behind it
    return {
        "id": turn.id_of("node", node.id),
        "node_id": node.id,
        "node_type": node.type,
        "title": node.title,
        "index": place + 1,
        "predecessor_node_id": dialect.NODES[place - 1].id if place else None,
    }


def _llm_inputs(turn: Turn) -> Event | None:
    return {"#context#": context_of(turn.sources)} if turn.sources else None


def _read(turn: Turn) -> Event:
    return {"model_mode": "chat", "prompts": prompts_told(turn), **dialect.MODEL}
