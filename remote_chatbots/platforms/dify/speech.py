"""Speech of a Dify app. Sources: Dify API reference, "Speech to text", "Text to audio"; the recordings named below."""

from __future__ import annotations

from typing import Any

from remote_chatbots.errors import BotNotFoundError, BotUsageError
from remote_chatbots.events import MediaProduced
from remote_chatbots.file_types import extension_of
from remote_chatbots.flow import Flow, open_reply, read_body
from remote_chatbots.multipart import multipart_request
from remote_chatbots.platforms.dify.calls import Calls
from remote_chatbots.platforms.dify.errors import NAME, error_from, not_allowed
from remote_chatbots.refusals import said_in
from remote_chatbots.sounds import Audio, Sound

MOST_BYTES = 30 * 1024 * 1024
# The type that a recording is declared as. The server looks at nothing else, and no age knows the usual names of all
# (recorded: audio-to-text-as-*, audio-to-text-webm of both versions).
DECLARED_AS = {
    "audio/mpeg": "audio/mp3",
    "audio/wav": "audio/wav",
    "audio/mp4": "audio/m4a",  # the same container
    "video/mp4": "audio/m4a",
    "audio/amr": "audio/amr",
    "audio/webm": "audio/webm",  # taken before 1.0
    "video/webm": "audio/webm",
}


class Speech(Calls):
    """The calls of one app for speech, as flows."""

    def transcribe(self, audio: Audio, user: str) -> Flow[str]:
        """Return what is said in a recording.

        Raises:
            BotUsageError: If it is empty, too large, or of a type that no server takes.
        """
        sound = Sound.of(audio, NAME)
        declared = DECLARED_AS.get(sound.mime_type)
        if declared is None:
            raise BotUsageError.of(
                NAME, f"a recording of type {sound.mime_type} is taken by no server. Convert it to mp3, m4a or wav."
            )
        sound.check_size(MOST_BYTES, NAME)
        name = sound.name or f"recording{extension_of(sound.mime_type)}"
        request = multipart_request(
            f"{self.base_url}/audio-to-text",
            self.headers,
            {"user": user},
            sound.content,
            filename=name,
            mime_type=declared,
        )
        told = yield from self._call(request)
        said = told.get("text")
        if not isinstance(said, str):
            raise not_allowed("the reply holds no text", str(told).encode(), self.hidden)
        return said

    def speak(self, text: str, message_id: str, voice: str, user: str) -> Flow[MediaProduced]:
        """Return a text, or an answer, as speech.

        Raises:
            BotUsageError: If not exactly one of both is given, or something is no text.
            BotNotFoundError: If there is no such answer, or it has no text: Dify says 200 and null.
        """
        for name, value in {"text": text, "voice": voice}.items():
            if not isinstance(value, str):
                raise BotUsageError.of(NAME, f"{name} must be a string, not {type(value).__name__}. Give a string.")
        if bool(text) == bool(message_id):
            raise BotUsageError.of(NAME, "give either a text or a message_id to speak.")
        payload: dict[str, Any] = {"text": text} if text else {"message_id": message_id}
        payload |= {"user": user} | ({"voice": voice} if voice else {})
        request = self._write("POST", "/text-to-audio", payload)
        head = yield from open_reply(request, error_of=self._error_of, policy=self._policy())
        body = yield from read_body(self.settings.max_event_bytes, NAME)
        if head.content_type.startswith("audio/") and body:
            return MediaProduced("audio", data=body, mime_type=head.content_type)
        if told := said_in(body):
            raise error_from(told, head.status, hidden=self.hidden)
        if body.strip() in (b"", b"null"):
            raise BotNotFoundError.of(
                NAME,
                "there is nothing to speak: no such answer, or it has no text. Check the id.",
                http_status=head.status,
                message_id=message_id,
            )
        raise not_allowed(f"the reply is {head.content_type or 'of no type'}, not audio", body, self.hidden)
