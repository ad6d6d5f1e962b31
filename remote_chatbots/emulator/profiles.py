"""The ages of Dify's wire that the emulator can speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from .apps import Mode
from .checks import Checks
from .checks_0_15 import CHECKS_0_15, CHECKS_2023
from .checks_1_14 import CHECKS_1_14
from .dataset_records import DATASET_RECORDS_0_15, DATASET_RECORDS_1_14, DatasetRecords
from .dialect import Dialect, Event
from .dialect_0_15 import Dialect015
from .dialect_1_14 import Dialect114
from .dify_2023 import RECORDS_2023, event_of_2023
from .dify_chatflow import chatflow_events, resumed_events
from .dify_events import agent_events, chat_events
from .dify_files import FORMS_0_15, FORMS_1_14, FileForms
from .dify_forms import Form
from .encoding import compact_event, compact_json, spaced_event, spaced_json
from .records import RECORDS_0_15, RECORDS_1_14, Records
from .state import Rules
from .turn import Turn

TurnEvents = Callable[[Turn], Iterator[Event]]


_SOUNDS = frozenset({"audio/mp3", "audio/mpga", "audio/m4a", "audio/wav", "audio/amr"})
_SOUNDS_OF_OLD = _SOUNDS | {"audio/mp4", "audio/mpeg", "audio/webm"}


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs from one age to another.

    Attributes:
        name: What users ask for.
        server_version: What the server says it is.
        rules: What it does with its data.
        checks: How it reads requests.
        records: How it tells what it holds.
        turn_events: For each app mode that there is, what a turn is on the wire; the key of an app of another mode
            opens an app that is gone.
        event_bytes: How an event is written into a stream.
        json_bytes: How every body but an answer is written.
        answer_type: The content type of a blocking answer.
        headers: Names and values that every answer of an app carries.
        varies_by_cookie: Whether that is told.
        pinging: The modes whose streams give signs of life when they are silent.
        not_offered: The paths that are not there.
        deletes_in_silence: Whether nothing is said when a conversation is deleted.
        hints_at_paths: Whether a 404 ends with a guess at what was meant.
        challenges: Whether a 401 names the scheme of authentication.
        sound_types: The declared types of a recording that is written down (recorded: audio-to-text-as-*).
        most_sound_megabytes: How large it may be.
        files: How it tells of files.
        resumed_events: What the rest of a turn is on the wire that waited for a person, where there are such.
        dataset_records: How it tells of its knowledge bases, where they can be searched.
    """

    name: str
    server_version: str
    rules: Rules
    checks: Checks
    records: Records
    turn_events: Mapping[Mode, TurnEvents]
    event_bytes: Callable[[Event], bytes]
    json_bytes: Callable[[Mapping[str, Any]], bytes]
    answer_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    varies_by_cookie: bool = False
    pinging: frozenset[Mode] = frozenset()
    not_offered: frozenset[str] = frozenset()
    deletes_in_silence: bool = False
    hints_at_paths: bool = False
    challenges: bool = False
    sound_types: frozenset[str] = _SOUNDS_OF_OLD
    most_sound_megabytes: int = 30
    files: FileForms = FORMS_1_14
    resumed_events: Callable[[Turn, Form], Iterator[Event]] | None = None
    dataset_records: DatasetRecords | None = None


def _turns(dialect: Dialect) -> Mapping[Mode, TurnEvents]:
    return MappingProxyType(
        {
            "chat": partial(chat_events, dialect),
            "agent-chat": partial(agent_events, dialect),
            "advanced-chat": partial(chatflow_events, dialect),
        }
    )


# Both came with 1.x (Dify, releases of 2025).
_VARIABLES = frozenset(
    {
        "/v1/conversations/{conversation_id}/variables",
        "/v1/conversations/{conversation_id}/variables/{variable_id}",
    }
)
# With 1.14 (Dify API reference, "Human input").
_OF_RUNS = frozenset({"/v1/form/human_input/{token}", "/v1/workflow/{run_id}/events"})
# With 1.8 (Dify, release of August 2025).
_PREVIEWS = frozenset({"/v1/files/{file_id}/preview"})
_PROFILES = (
    Profile(
        name="2023",
        # The document names no version; this is the first that was published.
        server_version="0.2.0",
        rules=Rules(chatflows_in_worker=False, moderates=False, asks_people=False),
        checks=CHECKS_2023,
        records=RECORDS_2023,
        turn_events=MappingProxyType({"chat": partial(chat_events, Dialect015())}),
        event_bytes=event_of_2023,
        json_bytes=spaced_json,
        most_sound_megabytes=15,
        files=FORMS_0_15,
        not_offered=_VARIABLES
        | _OF_RUNS
        | _PREVIEWS
        | {
            "/v1/text-to-audio",
            "/v1/files/upload",
            "/v1/info",
            "/v1/meta",
            "/v1/site",
            "/v1/chat-messages/{task_id}/stop",
            "/v1/messages/{message_id}/suggested",
        },
    ),
    Profile(
        name="0.15",
        server_version="0.15.3",
        rules=Rules(keeps_first_inputs=True, chatflows_in_worker=False, asks_people=False),
        checks=CHECKS_0_15,
        records=RECORDS_0_15,
        dataset_records=DATASET_RECORDS_0_15,
        turn_events=_turns(Dialect015()),
        event_bytes=spaced_event,
        json_bytes=spaced_json,
        pinging=frozenset({"chat", "agent-chat", "advanced-chat"}),
        not_offered=_VARIABLES | _OF_RUNS | _PREVIEWS | {"/v1/site"},
        files=FORMS_0_15,
    ),
    Profile(
        name="1.14",
        server_version="1.14.2",
        rules=Rules(),
        checks=CHECKS_1_14,
        records=RECORDS_1_14,
        dataset_records=DATASET_RECORDS_1_14,
        turn_events=_turns(Dialect114()),
        event_bytes=compact_event,
        json_bytes=compact_json,
        answer_type="application/json; charset=utf-8",
        headers=(("Access-Control-Expose-Headers", "X-Env, X-Trace-Id, X-Version"),),
        varies_by_cookie=True,
        pinging=frozenset({"chat", "agent-chat"}),
        deletes_in_silence=True,
        hints_at_paths=True,
        challenges=True,
        sound_types=_SOUNDS,
        resumed_events=partial(resumed_events, Dialect114()),
    ),
)


def profile_named(name: str) -> Profile:
    """Return the profile of that name.

    Raises:
        ValueError: There is none; the message names those there are.
    """
    for profile in _PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(repr(profile.name) for profile in _PROFILES)
    raise ValueError(f"no profile {name!r}; there is {known}")
