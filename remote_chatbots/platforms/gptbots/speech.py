"""Speech of a GPTBots agent ("Audio to text", "Text to audio")."""

from __future__ import annotations

from functools import partial
from posixpath import splitext

from remote_chatbots.contents import Octets, head_of
from remote_chatbots.errors import BotUsageError
from remote_chatbots.events import MediaProduced
from remote_chatbots.file_types import extension_of, type_of
from remote_chatbots.flow import Flow, open_reply, read_body
from remote_chatbots.multipart import multipart_request
from remote_chatbots.platforms.gptbots.errors import NAME, not_allowed, refusal
from remote_chatbots.platforms.gptbots.management import Management
from remote_chatbots.refusals import said_in
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.sounds import Audio, Sound

MOST_BYTES = 25 * 1024 * 1024
EXTENSIONS = (".mp3", ".m4a", ".mp4", ".mpeg", ".mpga", ".wav", ".webm")
_SOUNDS = ("audio/mpeg", "audio/mp4", "audio/wav", "audio/webm", "video/mp4", "video/mpeg", "video/webm")
_EXTENSION_OF = {"audio/webm": ".webm"}


def transcribe(calls: Management, audio: Audio) -> Flow[str]:
    """Return what is said in a recording. The file's name tells its type: it gets the extension of what it is.

    Raises:
        BotUsageError: If it is empty, too large, or of a type that the platform does not take.
    """
    sound = Sound.of(audio, NAME)
    if sound.mime_type not in _SOUNDS:
        raise BotUsageError.of(
            NAME, f"a recording of type {sound.mime_type} is not taken. Convert it to mp3, m4a or wav."
        )
    sound.check_size(MOST_BYTES, NAME)
    stem, extension = splitext(sound.name or "recording")
    if extension.lower() not in EXTENSIONS:
        extension = _EXTENSION_OF.get(sound.mime_type) or extension_of(sound.mime_type)
    request = multipart_request(
        f"{calls.calls.base_url}/v1/audio-to-text",
        calls.calls.headers,
        {},
        sound.content,
        filename=stem + extension,
        mime_type=sound.mime_type,
    )
    head, body, told = yield from calls.call(request)
    if not isinstance(told.get("text"), str):
        raise refusal(head, body, calls.hidden)
    said: str = told["text"]
    return said


def speak(calls: Management, text: str, message_id: str, voice: str) -> Flow[MediaProduced]:
    """Return an answer as speech; of which kind the bytes are, no page says.

    Raises:
        BotUsageError: If there is no `message_id`: the platform speaks nothing but its answers, in the agent's voice.
        BotRejectedError: If the answer has no text.
    """
    if text or voice or not message_id:
        raise BotUsageError.of(
            NAME,
            "the platform speaks its own answers, in the agent's voice. Give message_id, and neither text nor voice.",
        )
    error_of = partial(refusal, hidden=calls.hidden)
    policy = RetryPolicy(max_retries=calls.settings.max_retries)
    head = yield from open_reply(
        calls.calls.post("/v1/text-to-audio", {"id": message_id}), error_of=error_of, policy=policy
    )
    body = yield from read_body(calls.settings.max_event_bytes, NAME)
    if said_in(body) is not None:  # a refusal at 200
        raise error_of(head, body)
    mime_type = type_of(head_of(Octets(body)), declared=head.content_type)
    if not mime_type.startswith(("audio/", "application/octet-stream")) or not body:
        raise not_allowed(f"the reply is {mime_type}, not audio", body, calls.hidden)
    return MediaProduced("audio", data=body, mime_type="" if mime_type.startswith("application/") else mime_type)
