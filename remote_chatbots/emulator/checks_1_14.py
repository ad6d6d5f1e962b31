"""What Dify 1.14 checks: its request models are pydantic models, whose errors come through as pydantic writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import Checks, Page, files_of, is_blank, is_uuid, normal_uuid, parsed, user_of
from .datasets import Retrieval
from .metadata_filter import OPERATORS
from .refusals import Refusal, invalid_param
from .state import ChatRequest

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Violation:
    """One thing wrong with one field."""

    field: str
    text: str
    kind: str
    value: object

    def __str__(self) -> str:
        shown = f"input_value={_shortened(repr(self.value))}, input_type={type(self.value).__name__}"
        # What is wrong with several fields together has no name.
        field = f"{self.field}\n" if self.field else ""
        return (
            f"{field}  {self.text} [type={self.kind}, {shown}]\n"
            f"    For further information visit https://errors.pydantic.dev/2.12/v/{self.kind}"
        )


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """Check the body of `POST /chat-messages`.

    Args:
        body: The JSON object that was sent; keys that Dify does not know are ignored.

    Returns:
        The request; `response_mode` left out means blocking.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-missing-query, chat-block-inputs-a-list,
            err-conversation-id-not-uuid).
    """
    user = user_of(body)
    mode = body.get("response_mode")
    _refuse(
        "ChatRequestPayload",
        _wrong_type(body, "inputs", dict, "dict_type", "dictionary"),
        _wrong_type(body, "query", str, "string_type", "string"),
        _not_one_of("response_mode", mode, ("blocking", "streaming"), optional=True),
        _not_uuid("conversation_id", body.get("conversation_id"), "conversation_id must be a valid UUID"),
    )
    return ChatRequest(
        query=body["query"],
        inputs=body["inputs"],
        user=user,
        conversation_id=normal_uuid(body.get("conversation_id")),
        streaming=mode == "streaming",
        files=files_of(body),
    )


def message_page(query: Mapping[str, str]) -> tuple[str | None, Page]:
    """Check the query of `GET /messages`.

    Returns:
        The conversation's id, `None` if it is empty, and the page.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-messages-limit-0, err-messages-limit-101).
    """
    conversation_id = query.get("conversation_id")
    missing = conversation_id is None
    _refuse(
        "MessageListQuery",
        _Violation("conversation_id", "Field required", "missing", dict(query)) if missing else None,
        _bad_uuid_in("conversation_id", query),
        _bad_uuid_in("first_id", query),
        _bad_limit(query),
    )
    return normal_uuid(conversation_id), Page(_limit(query), normal_uuid(query.get("first_id")))


def conversation_page(query: Mapping[str, str]) -> Page:
    """Check the query of `GET /conversations`.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-conversations-bad-sort).
    """
    sort_by = query.get("sort_by", "-updated_at")
    allowed = ("created_at", "-created_at", "updated_at", "-updated_at")
    _refuse(
        "ConversationListQuery",
        _bad_uuid_in("last_id", query),
        _bad_limit(query),
        _not_one_of("sort_by", sort_by, allowed),
    )
    return Page(_limit(query), normal_uuid(query.get("last_id")), sort_by)


def rating(body: Mapping[str, Any]) -> str | None:
    """Check the body of `POST /messages/{id}/feedbacks`.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-feedback-bad-rating).
    """
    given: str | None = body.get("rating")
    _refuse("MessageFeedbackPayload", _not_one_of("rating", given, ("like", "dislike"), optional=True))
    return given


def new_name(body: Mapping[str, Any]) -> str | None:
    """Check the body of `POST /conversations/{id}/name`.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-conversation-rename-nothing).
    """
    if body.get("auto_generate"):
        return None
    complaint = "Value error, name is required when auto_generate is false"
    missing = is_blank(body.get("name"))
    _refuse("ConversationRenamePayload", _Violation("", complaint, "value_error", dict(body)) if missing else None)
    return str(body["name"])


def variable_page(query: Mapping[str, str]) -> Page:
    """Check the query of `GET /conversations/{id}/variables`.

    Raises:
        Refusal: 400.
    """
    _refuse("ConversationVariablesQuery", _bad_uuid_in("last_id", query), _bad_limit(query))
    return Page(_limit(query), normal_uuid(query.get("last_id")))


def variable_value(body: Mapping[str, Any]) -> Any:
    """Check the body of `PUT /conversations/{id}/variables/{id}`.

    Raises:
        Refusal: 400.
    """
    missing = _Violation("value", "Field required", "missing", dict(body))
    _refuse("ConversationVariableUpdatePayload", None if "value" in body else missing)
    return body["value"]


def retrieval(body: Mapping[str, Any]) -> Retrieval:
    """Check the body of `POST /datasets/{id}/retrieve`.

    Raises:
        Refusal: 400 (recorded: 1.14.2/err-dataset-no-query, err-dataset-empty-query,
            err-dataset-retrieval-model-partial, dataset-retrieve-unknown-search-method).
    """
    model = body.get("retrieval_model")
    missing = _Violation("query", "Field required", "missing", dict(body)) if "query" not in body else None
    _refuse("HitTestingPayload", missing, *(_bad_model(model) if model is not None else ()))
    query, told = body["query"], model or {}
    if not query:
        raise invalid_param("Query or attachment_ids is required")
    if len(query) > 250:
        raise invalid_param("Query cannot exceed 250 characters")
    threshold = told.get("score_threshold") if told.get("score_threshold_enabled") else None
    conditions = told.get("metadata_filtering_conditions")
    return Retrieval(query, told.get("search_method"), told.get("top_k"), threshold, conditions)


CHECKS_1_14 = Checks(chat_request, message_page, conversation_page, rating, new_name, retrieval)


def _bad_model(model: Mapping[str, Any]) -> Iterator[_Violation | None]:
    methods = ("semantic_search", "full_text_search", "hybrid_search", "keyword_search")
    for name in ("search_method", "reranking_enable", "top_k", "score_threshold_enabled"):
        field = f"retrieval_model.{name}"
        if name not in model:
            yield _Violation(field, "Field required", "missing", dict(model))
        elif name == "search_method":
            yield _not_one_of(field, model[name], methods, kind="enum")
    conditions = (model.get("metadata_filtering_conditions") or {}).get("conditions") or ()
    for place, condition in enumerate(conditions):
        field = f"retrieval_model.metadata_filtering_conditions.conditions.{place}.comparison_operator"
        yield _not_one_of(field, condition.get("comparison_operator"), OPERATORS)


def _refuse(model: str, *found: _Violation | None) -> None:
    violations = [violation for violation in found if violation]
    if violations:
        raise _validation_error(model, violations)


def _validation_error(model: str, violations: list[_Violation]) -> Refusal:
    plural = "" if len(violations) == 1 else "s"
    lines = [f"{len(violations)} validation error{plural} for {model}", *map(str, violations)]
    return invalid_param("\n".join(lines))


def _wrong_type(body: Mapping[str, Any], field: str, wanted: type, kind: str, called: str) -> _Violation | None:
    value = body.get(field, _ABSENT)
    if value is _ABSENT:
        return _Violation(field, "Field required", "missing", dict(body))
    if not isinstance(value, wanted):
        return _Violation(field, f"Input should be a valid {called}", kind, value)
    return None


def _not_one_of(
    field: str, value: object, allowed: tuple[str, ...], *, optional: bool = False, kind: str = "literal_error"
) -> _Violation | None:
    if value in allowed or (optional and value is None):
        return None
    quoted = [f"'{choice}'" for choice in allowed]
    choices = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return _Violation(field, f"Input should be {choices}", kind, value)


def _not_uuid(field: str, value: object, complaint: str) -> _Violation | None:
    if is_blank(value) or (isinstance(value, str) and is_uuid(value)):
        return None
    return _Violation(field, f"Value error, {complaint}", "value_error", value)


def _bad_uuid_in(field: str, query: Mapping[str, str]) -> _Violation | None:
    value = query.get(field)
    return _not_uuid(field, value, f"{value} is not a valid uuid.")


def _bad_limit(query: Mapping[str, str]) -> _Violation | None:
    text = query.get("limit", "20")
    limit = parsed(text, int)
    if limit is None:
        complaint = "Input should be a valid integer, unable to parse string as an integer"
        return _Violation("limit", complaint, "int_parsing", text)
    if limit < 1:
        return _Violation("limit", "Input should be greater than or equal to 1", "greater_than_equal", text)
    if limit > 100:
        return _Violation("limit", "Input should be less than or equal to 100", "less_than_equal", text)
    return None


def _limit(query: Mapping[str, str]) -> int:
    return int(query.get("limit", "20"))


def _shortened(text: str) -> str:
    # pydantic shows 25 characters from the front and 24 from the end.
    return text if len(text) <= 50 else f"{text[:25]}...{text[-24:]}"
