"""What callers of a face give, checked: the names they may use, the sentences where they may not, the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import TracebackType
from typing import Any

from remote_chatbots.errors import BotUsageError, ToolsRefusedError
from remote_chatbots.question import HOW_FILES_ARE_GIVEN
from remote_chatbots.reading import whole

PER_CALL = ("conversation_id", "user", "inputs", "files", "session_id")
# Other chat models take these; the app decides them, so they are accepted and not sent.
NOT_SENT = ("model", "temperature", "max_tokens", "stream", "stop_sequences")
# The language model's own, which no platform takes from a caller.
_OF_THE_APP = (
    "top_p", "top_k", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
    "reasoning_effort",
)  # fmt: skip
_WANTED: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "conversation_id": (str, "a string"),
    "user": (str, "a string"),
    "session_id": (str, "a string"),
    "inputs": (Mapping, "a mapping of variable names to values"),
    "files": ((list, tuple), "a list of Attachment"),
    "model": (str, "a string, the label for traces"),
}
_TOOLS = ("tools", "tool_choice", "functions", "parallel_tool_calls", "response_format")
_NO_CHOICE = (None, False, "", "auto", "none")

TOOLS_REFUSED = (
    "A remote bot calls its own tools and takes none from the caller: add the tool to the app on its platform, or "
    "use the bot as one part of a graph or workflow (an agent without tools works) and call tools in another."
)
FORM_REFUSED = (
    "A remote bot takes neither the form of its answers nor tools from the caller. For an answer in a form ask by the "
    "model's with_structured_output (in LlamaIndex as_structured_llm), which says the form in words and checks the "
    "answer; in an agent, leave response_format out. Add a tool to the app on its platform."
)


def check_tools(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a call's arguments is not about tools.

    Raises:
        ToolsRefusedError: For tools. Where the caller forces one, which is the way to ask for an answer in a form, or
            asks for that form itself, it says how to have that.
    """
    if not given:
        return {}
    forced = given.get("tool_choice") not in _NO_CHOICE
    if forced or given.get("response_format"):
        raise ToolsRefusedError(FORM_REFUSED)
    about_tools = [name for name in given if name in _TOOLS]
    if any(given[name] for name in about_tools if name != "tool_choice"):
        raise ToolsRefusedError(TOOLS_REFUSED)
    return {name: value for name, value in given.items() if name not in about_tools}


def checked_call(kwargs: Mapping[str, Any], options: Iterable[str], fields: Iterable[str] = ()) -> None:
    """Refuse what a call cannot take.

    Args:
        kwargs: What the call was given.
        options: What calls to this platform may be told beside.
        fields: What is set on the model.

    Raises:
        ToolsRefusedError: For tools.
        BotUsageError: For any other unknown name (it names the nearest that is known), and for a value of the wrong
            type.
    """
    for name, value in check_tools(kwargs).items():
        if name in _WANTED:
            kind, wanted = _WANTED[name]
            if value is not None and not isinstance(value, kind):
                cure = HOW_FILES_ARE_GIVEN if name == "files" else f"Give {wanted}."
                raise BotUsageError(f"{name} must be {wanted}, not {type(value).__name__}. {cure}")
        elif name not in (*NOT_SENT, *options):
            if name in fields:
                raise BotUsageError(
                    f"{name} is set on the model, not per call. Give it to the constructor: a second model is cheap."
                )
            raise BotUsageError(unknown(name, (*PER_CALL, *NOT_SENT, *options, "stop")))


def check_options(given: Iterable[str], options: Any, platform: str, what: str) -> None:
    """Refuse what is no option.

    Args:
        given: The names that were given.
        options: The dataclass whose fields are the options.
        platform: With which the message begins.
        what: Whose options they are, e.g. "a search".

    Raises:
        BotUsageError: If a name is none of the fields.
    """
    known = [field.name for field in fields(options)]
    for name in given:
        if name not in known:
            raise BotUsageError.of(
                platform, f"{name} is no option of {what}. Leave it out, or give {', '.join(known)}."
            )


def check_limit(limit: Any, platform: str) -> None:
    """Refuse what says not how many: a whole number of at least 0, or None for all.

    Raises:
        BotUsageError: If it is neither.
    """
    if limit is not None and (whole(limit) is None or limit < 0):
        raise BotUsageError.of(
            platform, f"limit must be a whole number of at least 0, not {limit!r}. Give such a number, or None for all."
        )


class refusals_of:  # noqa: N801  read as a verb, as contextlib's are
    """Let a refusal that leaves the block begin with the platform."""

    __slots__ = ("_platform",)

    def __init__(self, platform: str) -> None:
        self._platform = platform

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, BotUsageError) and not error.message.startswith(f"{self._platform}: "):
            raise type(error).of(self._platform, error.message) from None


class as_json:  # noqa: N801  as above
    """Refuse what JSON has no form for, where the block writes it; `wrong` says what that is."""

    __slots__ = ("_platform", "_wrong")

    def __init__(self, platform: str, wrong: str = "JSON has no form for what was given") -> None:
        self._platform = platform
        self._wrong = wrong

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, TypeError):
            told = f"{self._wrong} ({error}). Give text, numbers, lists, dicts."
            raise BotUsageError.of(self._platform, told) from None


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the sentence about a name that is not known."""
    if name in _OF_THE_APP:
        return f"{name} is for the app to decide, and no platform takes it from a caller. Set it in the app."
    import difflib  # of no use to those who make no mistake

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"{name} is no argument of this model. " + (f"Did you mean {near[0]}?" if near else "Leave it out.")


def wrong_fields(details: Iterable[Mapping[str, Any]], known: Iterable[str]) -> str:
    """Return what pydantic found, by field, without the values: they may hold the key.

    Args:
        details: The `errors()` of pydantic's ValidationError.
        known: The names of the fields.
    """
    found = []
    for detail in details:
        name = ".".join(str(part) for part in detail["loc"]) or "arguments"
        found.append(unknown(name, known) if detail["type"] == "extra_forbidden" else f"{name}: {detail['msg']}.")
    return " ".join(found) + " Correct the named arguments."


def with_environment(
    given: Mapping[str, Any], variables: Mapping[str, tuple[str, ...]], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return `given`, completed from the environment.

    Args:
        given: The fields that were given; None is "not given".
        variables: For each field the variables that may hold it, the first that is set counts.
        environment: The environment; only the constructors of the faces and the command line read it.
    """
    completed = dict(given)
    for name, candidates in variables.items():
        if completed.get(name) is None:
            found = next((variable for variable in candidates if environment.get(variable)), None)
            if found is not None:
                completed[name] = environment[found]
    return completed
