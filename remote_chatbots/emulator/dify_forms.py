"""The form that a chatflow waits for: what it asks, how it is told, what it takes. From 1.14 on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ids import Ids
from .refusals import Refusal

NODE_ID, NODE_TITLE = "ask", "Ask a person"
_ACTIONS = (
    {"id": "approve", "title": "Approve 同意", "button_style": "primary"},
    {"id": "reject", "title": "Reject", "button_style": "default"},
)
_TITLES = {action["id"]: action["title"] for action in _ACTIONS}
FIELD = "comment"
_CONTENT = "Please check: {{#$output.comment#}}"


@dataclass(slots=True)
class Form:
    """One form of one run.

    Attributes:
        id: Its id, which nobody asks for.
        token: Its token, which opens it.
        expires_at: Unix time in seconds, by the emulator's clock, as it is told.
        expires: When it is really too old, by the clock of the machine, in seconds.
        filled: What it was submitted with; `None` while the run waits.
        action: Which action was chosen with it.
    """

    id: str
    token: str
    expires_at: int
    expires: float
    filled: dict[str, Any] | None = None
    action: str = ""

    @classmethod
    def new(cls, ids: Ids, message_id: str, created_at: int, lifetime_s: float) -> Form:
        """Return the form of a message's run."""
        token = ids.hex24(message_id, "form token")[:22]
        expires = time.monotonic() + lifetime_s
        return cls(ids.uuid(message_id, "form"), token, created_at + int(lifetime_s), expires)

    @property
    def comment(self) -> str:
        """What was filled in."""
        return str((self.filled or {}).get(FIELD, ""))

    @property
    def rendered(self) -> str:
        """What it says once it is filled in."""
        return _CONTENT.replace("{{#$output.comment#}}", self.comment)

    def submit(self, body: Mapping[str, Any]) -> None:
        """Take what a person filled in, once.

        Raises:
            Refusal: 412 if it was submitted before (recorded: 1.14.2/err-human-form-again) or is too old; 400 if it is
                not filled in as it must be. Dify's words for the latter two were not recorded.
        """
        if self.filled is not None:
            told = f"This form has already been submitted by another user, form_id={self.id}"
            raise Refusal(412, "human_input_form_submitted", told)
        if time.monotonic() >= self.expires:
            raise Refusal(412, "human_input_form_expired", f"This form has expired, form_id={self.id}")
        inputs = body.get("inputs")
        if body.get("action") not in _TITLES:
            raise Refusal(400, "invalid_form_data", f"Invalid action: {body.get('action')}")
        if not isinstance(inputs, dict) or not isinstance(inputs.get(FIELD), str):
            raise Refusal(400, "invalid_form_data", f"Missing required inputs: {FIELD}")
        self.filled, self.action = {FIELD: inputs[FIELD]}, body["action"]

    def told(self) -> dict[str, Any]:
        """Return the `data` of `human_input_required` (recorded: 1.14.2/human-1-stream-paused)."""
        return {
            "form_id": self.id,
            "node_id": NODE_ID,
            "node_title": NODE_TITLE,
            **self._asked(),
            "actions": list(_ACTIONS),
            "display_in_ui": True,
            "form_token": self.token,
            "resolved_default_values": {},
            "expiration_time": self.expires_at,
        }

    def reason(self) -> dict[str, Any]:
        """Return why the run paused, as `workflow_paused` tells it."""
        return {
            "TYPE": "human_input_required",
            "form_id": self.id,
            **self._asked(),
            "actions": list(_ACTIONS),
            "node_id": NODE_ID,
            "node_title": NODE_TITLE,
            "resolved_default_values": {},
            "form_token": self.token,
            "expiration_time": self.expires_at,
        }

    def body(self) -> dict[str, Any]:
        """Return the body of `GET /form/human_input/{token}` (recorded: 1.14.2/human-2-form)."""
        return {
            **self._asked(),
            "resolved_default_values": {},
            "user_actions": list(_ACTIONS),
            "expiration_time": self.expires_at,
        }

    def stored(self, run_id: str) -> dict[str, Any]:
        """Return what the history says of it (recorded, while it waits: 1.14.2/human-3-messages-while-paused)."""
        submitted = self.filled is not None
        return {
            "workflow_run_id": run_id,
            "submitted": submitted,
            "form_definition": self.told(),
            "form_submission_data": self.told_as_filled() if submitted else None,
            "type": "human_input",
        }

    def told_as_filled(self) -> dict[str, Any]:
        """Return the `data` of `human_input_form_filled` (recorded: 1.14.2/human-5-events)."""
        return {
            "node_id": NODE_ID,
            "node_title": NODE_TITLE,
            "rendered_content": self.rendered,
            "action_id": self.action,
            "action_text": _TITLES[self.action],
        }

    def outputs(self) -> dict[str, Any]:
        """Return what the node that asked hands on."""
        return {
            FIELD: self.comment,
            "__action_id": self.action,
            "__rendered_content": self.rendered,
            "__action_value": _TITLES[self.action],
        }

    def _asked(self) -> dict[str, Any]:
        default = {"type": "constant", "selector": [], "value": ""}
        asked = {"output_variable_name": FIELD, "type": "paragraph", "default": default}
        return {"form_content": _CONTENT, "inputs": [asked]}
