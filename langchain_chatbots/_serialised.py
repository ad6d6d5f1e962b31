"""How `dumpd` writes models and retrievers, and where `load` finds them: without the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from remote_chatbots import Timeouts


class Serialised:
    """What LangChain asks a model or retriever of this package when it serialises it."""

    if TYPE_CHECKING:  # pydantic would take it for a field of this class
        timeout: Any
    _environment: ClassVar[Mapping[str, tuple[str, ...]]]

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `dumpd` and `load` work, the key is read from the environment again."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where `load` finds the class: one of ours in the package, another in its module."""
        path = cls.__module__.split(".")
        return path[:1] if path[0] == __package__ else path

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Return which fields are secrets, and the variables they are read from."""
        return {"api_key": self._environment["api_key"][0]}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Return what `dumpd` writes in a form of its own."""
        clocks = Timeouts.of(self.timeout)
        return {"timeout": [clocks.connect_s, clocks.silence_s, clocks.total_s]}
