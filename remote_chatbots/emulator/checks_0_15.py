"""What Dify checked up to 0.15: argument after argument, and the first that is wrong is named.

recorded: 0.15.3/err-missing-query, err-conversation-id-not-uuid, err-messages-limit-0, err-conversations-bad-sort,
err-feedback-bad-rating, chat-block-inputs-a-list
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .checks import Checks, Page, files_of, is_uuid, normal_uuid, user_of
from .datasets import Retrieval
from .refusals import Refusal, ServerBreakdown, invalid_param
from .state import ChatRequest

_MODES = ("blocking", "streaming")
_ORDERS = ("created_at", "-created_at", "updated_at", "-updated_at")


def chat_request(body: Mapping[str, Any], *, inputs_required: bool) -> ChatRequest:
    """Check the body of `POST /chat-messages`.

    Args:
        body: The JSON object that was sent; keys that Dify does not know are ignored.
        inputs_required: Whether the inputs must be there, if only as an empty object.

    Returns:
        The request; `response_mode` left out means blocking.

    Raises:
        Refusal: 400.
    """
    user = user_of(body)
    inputs = _inputs(body) if inputs_required or "inputs" in body else {}
    query = _required(body, "query", "the JSON body")
    mode = body.get("response_mode")
    if mode is not None:
        _one_of("response_mode", mode, _MODES)
    return ChatRequest(
        query="" if query is None else str(query),
        inputs=inputs,
        user=user,
        conversation_id=_uuid(body, "conversation_id"),
        streaming=mode == "streaming",
        files=files_of(body),
    )


def message_page(query: Mapping[str, str]) -> tuple[str | None, Page]:
    """Check the query of `GET /messages`.

    Raises:
        Refusal: 400.
    """
    _required(query, "conversation_id", "the query string")
    return _uuid(query, "conversation_id"), Page(after=_uuid(query, "first_id"), limit=_limit(query))


def conversation_page(query: Mapping[str, str]) -> Page:
    """Check the query of `GET /conversations`.

    Raises:
        Refusal: 400.
    """
    after, limit, sort_by = _uuid(query, "last_id"), _limit(query), query.get("sort_by", "-updated_at")
    _one_of("sort_by", sort_by, _ORDERS)
    return Page(limit, after, sort_by)


def rating(body: Mapping[str, Any]) -> str | None:
    """Check the body of `POST /messages/{id}/feedbacks`.

    Raises:
        Refusal: 400.
    """
    given: str | None = body.get("rating")
    if given is not None:
        _one_of("rating", given, ("like", "dislike"))
    return given


def rating_of_2023(body: Mapping[str, Any]) -> str | None:
    """Check the body of `POST /messages/{id}/feedbacks`, where an empty text, too, takes the rating back.

    Raises:
        Refusal: 400.
    """
    return rating({**body, "rating": body.get("rating") or None})


def new_name(body: Mapping[str, Any]) -> str | None:
    """Check the body of `POST /conversations/{id}/name`.

    Raises:
        Refusal: 500: no name at all is not checked (recorded: 0.15.3/err-conversation-rename-nothing).
    """
    if body.get("auto_generate"):
        return None
    if body.get("name") is None:
        raise ServerBreakdown
    return str(body["name"])


def new_name_of_2023(body: Mapping[str, Any]) -> str:
    """Check the body of `POST /conversations/{id}/name`, where no name was automatic.

    Raises:
        Refusal: 400.
    """
    return str(_required(body, "name", "the JSON body"))


def retrieval(body: Mapping[str, Any]) -> Retrieval:
    """Check the body of `POST /datasets/{id}/retrieve`; conditions on metadata are not known, and so not looked at.

    Raises:
        Refusal: 400, or 500 where the search is described in part (recorded: 0.15.3/err-dataset-no-query,
            err-dataset-retrieval-model-partial).
    """
    query, model = body.get("query"), body.get("retrieval_model") or {}
    if not query or len(query) > 250:
        raise invalid_param("Query is required and cannot exceed 250 characters")
    for name in ("score_threshold_enabled", "reranking_enable"):
        if model and name not in model:
            raise Refusal(500, "internal_server_error", repr(name))
    threshold = model.get("score_threshold") if model.get("score_threshold_enabled") else None
    return Retrieval(str(query), model.get("search_method"), model.get("top_k"), threshold)


CHECKS_0_15 = Checks(
    partial(chat_request, inputs_required=True), message_page, conversation_page, rating, new_name, retrieval
)

# The document of 2023 calls the inputs optional.
CHECKS_2023 = Checks(
    partial(chat_request, inputs_required=False),
    message_page,
    conversation_page,
    rating_of_2023,
    new_name_of_2023,
    retrieval,
)


def _inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    given = _required(body, "inputs", "the JSON body")
    try:
        # Whatever can be made a dict is taken; of an empty list comes an empty one.
        return dict(given or {})
    except (TypeError, ValueError) as error:
        raise invalid_param(str(error), params="inputs") from error


def _required(given: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in given:
        raise invalid_param(f"Missing required parameter in {where}", params=name)
    return given[name]


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise invalid_param(f"{value} is not a valid choice", params=name)


def _uuid(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if not (isinstance(value, str) and is_uuid(value)):
        raise invalid_param(f"{value} is not a valid uuid.", params=name)
    return normal_uuid(value)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "20")
    try:
        limit = int(text)
    except ValueError as error:
        raise invalid_param(f"{text} is not a valid integer", params="limit") from error
    if not 1 <= limit <= 100:
        raise invalid_param(f"Invalid argument: {text}. argument must be within the range 1 - 100", params="limit")
    return limit
