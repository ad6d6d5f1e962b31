"""Ids and keys that follow from the seed and from what they name, not from the order of requests."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KEY_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Ids:
    """Names things: the same seed and the same parts give the same id.

    No counter is shared, so turns of different users that run at once get the ids they would get alone.
    """

    seed: int

    def uuid(self, *parts: str | int) -> str:
        """Return the UUID of the thing that the parts describe."""
        return str(uuid.UUID(bytes=self._digest(*parts)[:16], version=4))

    def hex24(self, *parts: str | int) -> str:
        """Return the 24 hex digits, as GPTBots makes ids, of the thing that the parts describe."""
        return self._digest(*parts).hex()[:24]

    def app_key(self, app_name: str) -> str:
        """Return the API key of an app: `app-` and 24 letters or digits, as Dify and GPTBots make them."""
        return "app-" + self._key_letters("key", app_name)

    def dataset_key(self) -> str:
        """Return the API key of the knowledge bases: `dataset-` and 24 letters or digits, as Dify makes them."""
        return "dataset-" + self._key_letters("dataset key")

    def _key_letters(self, *parts: str) -> str:
        return "".join(_KEY_LETTERS[byte % len(_KEY_LETTERS)] for byte in self._digest(*parts)[:_KEY_LENGTH])

    def _digest(self, *parts: str | int) -> bytes:
        # repr keeps ("a", "bc") and ("ab", "c") apart.
        return hashlib.sha256(repr((self.seed, *parts)).encode("utf-8", "surrogatepass")).digest()
