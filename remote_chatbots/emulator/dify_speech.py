"""Dify's two endpoints for speech: what they check, in which order, and with which words they refuse.

recorded: audio-to-text*, err-audio-*, text-to-audio of both ages
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from .apps import App
from .bodies import json_body, json_response
from .mp3 import spoken
from .profiles import Profile
from .refusals import Refusal, invalid_param
from .sounds import heard
from .state import State

_MEGABYTE = 1024 * 1024


class SpeechCalls:
    """Answers the two endpoints.

    Args:
        state: The data.
        profile: Which age of the wire to speak.
        authorized: Returns the app whose key came with a request, or refuses.
    """

    def __init__(self, state: State, profile: Profile, authorized: Callable[[web.Request], App]) -> None:
        self._state = state
        self._profile = profile
        self._authorized = authorized

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints of any age."""
        return [
            web.post("/v1/audio-to-text", self._audio_to_text),
            web.post("/v1/text-to-audio", self._text_to_audio),
        ]

    async def _audio_to_text(self, request: web.Request) -> web.Response:
        app = self._authorized(request)
        form: Mapping[str, Any] = await request.post() if request.content_type == "multipart/form-data" else {}
        if not app.hears:
            raise invalid_param("Speech to text is not enabled")
        file = form.get("file")
        if not isinstance(file, web.FileField):
            raise Refusal(400, "no_audio_uploaded", "Please upload your audio.")
        # The declared type alone counts; neither the name nor the bytes are looked at.
        if file.content_type.partition(";")[0].strip().lower() not in self._profile.sound_types:
            raise Refusal(415, "unsupported_audio_type", "Audio type not allowed.")
        sound = file.file.read()
        most = self._profile.most_sound_megabytes
        if len(sound) > most * _MEGABYTE:
            raise Refusal(413, "audio_too_large", f"Audio size larger than {most} mb")
        return json_response(self._profile, {"text": heard(sound)})

    async def _text_to_audio(self, request: web.Request) -> web.StreamResponse:
        app = self._authorized(request)
        body = await json_body(request)
        if not app.speaks and not body.get("voice"):
            raise invalid_param("TTS is not enabled")
        text = body.get("text") or ""
        if body.get("message_id"):
            text = self._state.text_of(app, str(body["message_id"]))
            if not text:  # Dify API reference, "Text to audio"
                return json_response(self._profile, None)
        if not text:
            raise invalid_param("Text is required")
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(spoken(text))
        await response.write_eof()
        return response
