"""What a client can have a bot hear and speak."""

from __future__ import annotations

from remote_chatbots.events import MediaProduced
from remote_chatbots.management import AsyncCaller, Caller
from remote_chatbots.message_ids import Named
from remote_chatbots.sounds import Audio


class Speech(Caller):
    """The calls of `BotClient` for speech."""

    def transcribe(self, audio: Audio, *, user: str = "") -> str:
        """Return what is said in a recording, by the bot's own speech-to-text model.

        What it is, its bytes say, and where they do not, its declared type and its name. It is sent as a type that
        every age of the server takes: Dify judges by the declared type alone, 1.14 refuses "audio/mpeg" and takes
        "audio/mp3" (recorded: audio-to-text-as-mpeg, audio-to-text-as-mp3).

        Args:
            audio: The bytes, a path, or an `Attachment` with bytes. Dify takes mp3, mpga, m4a, wav and amr, at most
                30 MB, before 1.0 also mp4 and webm; GPTBots mp3, m4a, mp4, mpeg, mpga, wav and webm, at most 25 MB.
            user: Who speaks. Default: the client's.

        Raises:
            BotUsageError: If the platform does not offer it, or takes no recording like this one: nothing was sent.
            BotRejectedError: If it is switched off in the bot's settings, or this server does not take the type.
        """
        found: str = self._call("transcribe", audio, user=user or self.user)
        return found

    def speak(
        self, text: str = "", *, message_id: Named = "", voice: str = "", user: str = ""
    ) -> MediaProduced:  # fmt: skip
        """Return speech: `data` holds the bytes of a file, `mime_type` says of what kind.

        Args:
            text: What to say (Dify); or
            message_id: the answer to say, or its id.
            voice: One of the speech model's voices (Dify). Default: the app's.
            user: For whom. Default: the client's.

        Raises:
            BotUsageError: If the platform does not offer it, or not like this; or not exactly one of `text` and
                `message_id` is given.
            BotNotFoundError: If there is no such answer, or it has no text.
            BotRejectedError: If it is switched off in the bot's settings.
        """
        named = {"message_id": self._id(message_id), "voice": voice, "user": user or self.user}
        found: MediaProduced = self._call("speak", text, **named)
        return found


class AsyncSpeech(AsyncCaller):
    """The calls of `AsyncBotClient` for speech: those of `Speech`, to be awaited."""

    async def transcribe(self, audio: Audio, *, user: str = "") -> str:
        """Return as `BotClient.transcribe`."""
        found: str = await self._call("transcribe", audio, user=user or self.user)
        return found

    async def speak(
        self, text: str = "", *, message_id: Named = "", voice: str = "", user: str = ""
    ) -> MediaProduced:  # fmt: skip
        """Return as `BotClient.speak`."""
        named = {"message_id": self._id(message_id), "voice": voice, "user": user or self.user}
        found: MediaProduced = await self._call("speak", text, **named)
        return found
