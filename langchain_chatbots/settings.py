"""What a LangChain model is beside its fields: what is read, what is shown and what is serialised."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from pydantic import Field, PrivateAttr, model_validator

from langchain_chatbots._profile import profile_of
from langchain_chatbots._serialised import Serialised
from langchain_chatbots.errors import as_model_errors
from remote_chatbots import __version__
from remote_chatbots.arguments import with_environment
from remote_chatbots.bot_fields import BotFields
from remote_chatbots.concealing import all_concealed, concealing

if TYPE_CHECKING:
    from remote_chatbots.learned import Learned


class RemoteModelSettings(Serialised, BotFields, BaseChatModel):
    """The fields of every model of this package."""

    model_config = BotFields.model_config  # LangChain's would ignore unknown fields

    # A cached answer would hand one user another's conversation, so the global cache is not asked.
    cache: Any = Field(default=False, exclude=True)

    _ways_to_name_the_user: ClassVar[str] = "to the call, by bind(user=…), as config={'configurable': {'user': …}}"

    _own_profile: ModelProfile | None = PrivateAttr(default=None)

    @concealing
    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        with as_model_errors():
            super().__init__(**with_environment(given, self._environment, os.environ))
        self._own_profile = given.get("profile")

    def discover(self) -> Self:
        """Ask the bot about itself, as told above, and fill `profile`; what was given as `profile=` rules."""
        with as_model_errors():
            return super().discover()

    async def adiscover(self) -> Self:
        """Do as `discover`."""
        with as_model_errors():
            return await super().adiscover()

    def _take(self, learned: "Learned") -> None:
        self.profile = {**profile_of(learned.info, learned.parameters), **(self._own_profile or {})}

    def _resolve_model_profile(self) -> ModelProfile:
        return profile_of(None, None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, as pydantic does; one of another bot does not have this one's profile."""
        update = all_concealed(update or {})
        learned = self.learned
        copy = super().model_copy(update=update, deep=deep)
        if "profile" not in update and copy.learned is not learned:
            copy._take(copy.learned)
        return copy

    def __getstate__(self) -> dict[Any, Any]:
        # What the bot said of itself stays here, as connections do.
        state = super().__getstate__()
        own = self._own_profile or self._resolve_model_profile()
        return {**state, "__dict__": {**state["__dict__"], "profile": own}}

    @model_validator(mode="after")
    def _set_remote_chatbots_version(self) -> Self:
        self._add_version("remote-chatbots", __version__)
        return self

    @property
    def _llm_type(self) -> str:
        return f"{self.platform}-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "base_url": self.base_url, "bot_id": self._own_bot_id()}

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        if type(self).dict is not BaseChatModel.dict:
            return super()._get_invocation_params(stop, **kwargs)
        # LangChain asks `dict`, its old name for `asdict`, with its warning silenced. That takes a tenth of all that is
        # done until a turn is on its way, and makes Python forget which warnings were shown.
        return {**self.asdict(), "stop": stop, **kwargs}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=self.platform, ls_model_name=kwargs.get("model") or self.model_name, ls_model_type="chat"
        )
        if stops := stop or self.stop:
            params["ls_stop"] = stops
        return params
