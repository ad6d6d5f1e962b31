"""What a user sets on a model of a Dify app, in either face."""

from collections.abc import Mapping
from typing import ClassVar

from remote_chatbots.address import Key
from remote_chatbots.bot_fields import BotFields
from remote_chatbots.field_texts import describe
from remote_chatbots.platforms import dify
from remote_chatbots.protocol import BotProtocol


class DifyFields(BotFields):
    """The fields of a Dify app, in either face."""

    base_url: str = dify.CLOUD_URL
    model_name: str = "dify-app"
    workflow_id: str = ""
    """Run this published version of a chatflow; "" runs the newest. Also per call."""
    auto_generate_name: bool = True
    """Whether the server names a new conversation by its first message. Also per call."""
    trace_id: str = ""
    """Your id of the turn in a tracing system: 1 to 128 letters, digits, hyphens, underscores. Also per call."""

    platform: ClassVar[str] = "dify"
    _options: ClassVar[tuple[str, ...]] = ("workflow_id", "auto_generate_name", "trace_id")
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("DIFY_API_KEY",),
        "base_url": ("DIFY_BASE_URL", "DIFY_API_BASE"),
        "user": ("DIFY_USER",),
    }

    def _bot(self) -> BotProtocol:
        return dify.DifyApp(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            headers=self.default_headers,
            settings=self._settings(),
            options=dify.DifyOptions(self.workflow_id, self.auto_generate_name, self.trace_id),
        )


describe(__name__, DifyFields)
