"""What a user sets to reach a server, whatever is asked of it there: the fields that models and retrievers share.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do. Modules with fields have no
`from __future__ import annotations`: pydantic would evaluate each annotation for each subclass anew, at the import.
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from remote_chatbots.arguments import refusals_of, unknown, wrong_fields
from remote_chatbots.concealing import concealed, concealing
from remote_chatbots.errors import BotUsageError
from remote_chatbots.field_texts import describe
from remote_chatbots.timeouts import DEFAULT_CONNECT_S, DEFAULT_SILENCE_S, Settings, Timeouts

_STANDARD = Settings()
_MAY_BE_NONE = ("timeout", "cache")  # None says something there; elsewhere it is "not given"


class ConnectionFields(BaseModel):
    """The fields of whatever is reached with a key at an address."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
        # Several classes, of which users make the last: building all schemas is a good part of the import.
        defer_build=True,
    )
    # pydantic writes one when it builds the schema; until then the parents' would stand here, without a single field.
    __signature__: ClassVar[Any] = None

    api_key: SecretStr
    """The key. Never shown; a pickle carries it."""
    base_url: str
    """The server, with or without trailing slash and version."""
    timeout: Any = (DEFAULT_CONNECT_S, DEFAULT_SILENCE_S)
    """Seconds of silence, or (connect, silence), or (connect, silence, total), or `Timeouts`, or None for no limit."""
    max_retries: int = _STANDARD.max_retries
    """How often an opening that cannot have arrived, or was put off, is tried again. A server that asks for more than
    30 s is not waited for: its refusal is raised at once, with `retry_after_s`."""
    default_headers: Annotated[dict[str, str], AfterValidator(partial(concealed, "default_headers"))] = Field(
        default_factory=dict, exclude=True, repr=False
    )
    """Headers to send beside ours. Treated like keys: neither shown nor serialised."""
    max_event_bytes: int = _STANDARD.max_event_bytes
    """The largest event, or whole reply, that is taken."""
    max_connections: int = _STANDARD.max_connections
    """Connections at a time, per event loop."""
    idle_s: float = _STANDARD.idle_s
    """A connection that was idle for longer is not used for a post."""

    platform: ClassVar[str]
    _environment: ClassVar[Mapping[str, tuple[str, ...]]]
    _other_names: ClassVar[Mapping[str, str]] = {}

    @concealing
    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        given = {name: value for name, value in given.items() if value is not None or name in _MAY_BE_NONE}
        for other, name in self._other_names.items():
            if other in given:
                given.setdefault(name, given.pop(other))
        given = _as_fields(given)
        if not given.get("api_key"):
            for name in given:
                if name not in type(self).model_fields and "?" in (told := unknown(name, ("api_key",))):
                    raise BotUsageError.of(self.platform, told)
            raise BotUsageError.of(
                self.platform, f"api_key is missing. Give api_key=… or set {self._environment['api_key'][0]}."
            )
        wrong = ""
        try:
            super().__init__(**given)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = wrong_fields(details, type(self).model_fields)
        if wrong:  # outside the except: pydantic's error holds what was given
            raise BotUsageError.of(self.platform, wrong)
        with refusals_of(self.platform):
            self._check()
            Timeouts.of(self.timeout)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a key that is a plain string is hidden at once."""
        super().__setattr__(name, _as_field(name, value))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, as pydantic does; a key in `update` may be a plain string."""
        update = _as_fields(update or {})
        return super().model_copy(update=update, deep=deep)

    def model_post_init(self, context: Any, /) -> None:
        """Let the framework's own follow; the one that pydantic makes for private attributes would end here."""
        super().model_post_init(context)

    @abstractmethod
    def _check(self) -> None:
        """Refuse what the fields, each right by itself, do not make together.

        Raises:
            BotUsageError: With the field that is wrong.
        """

    def _settings(self) -> Settings:
        return Settings(
            max_event_bytes=self.max_event_bytes,
            max_connections=self.max_connections,
            idle_s=self.idle_s,
            max_retries=self.max_retries,
        )


def _as_field(name: str, value: Any) -> Any:
    value = concealed(name, value)
    return SecretStr(str(value)) if name == "api_key" and isinstance(value, str) else value


def _as_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _as_field(name, value) for name, value in given.items()}


describe(__name__, ConnectionFields)
