"""Which request suffers which faults."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from .faults import AnswerFault, Cut, ErrorEvent, EventFault, Fault, Hang, ReducedErrorEvent, Reset
from .gptbots_faults import EmptyOutput, FlowDuplicate, FlowOnly, StringContent, WrappedError

F = TypeVar("F", bound=Fault)

QUESTIONS = ("/v1/chat-messages", "/gptbots/v?/conversation/message")

# Of each of these, and of each class but Hang, a request can suffer only one.
_EXCLUSIVE: tuple[tuple[type[Fault], ...], ...] = (
    (AnswerFault,),
    (ErrorEvent, ReducedErrorEvent, WrappedError),
    (FlowOnly, FlowDuplicate),
    (EmptyOutput, StringContent),
    (Cut, Reset),
)


@dataclass(frozen=True, slots=True)
class FaultSet:
    """What one request suffers; empty for most."""

    faults: tuple[Fault, ...] = ()

    def one(self, kind: type[F]) -> F | None:
        """Return the fault of this kind."""
        return next((fault for fault in self.faults if isinstance(fault, kind)), None)

    def all(self, kind: type[F]) -> tuple[F, ...]:
        """Return the faults of this kind in the order in which they were given."""
        return tuple(fault for fault in self.faults if isinstance(fault, kind))


NO_FAULTS = FaultSet()


@dataclass(slots=True)
class _Entry:
    faults: FaultSet
    left: int | None
    paths: tuple[str, ...]
    user: str | None

    def matches(self, path: str, user: str | None) -> bool:
        return any(fnmatchcase(path, each) for each in self.paths) and self.user in (None, user)


class Faults:
    """The faults that wait for a request. May be used from any thread, before and while the emulator runs.

    Faults given together strike together. A request suffers what was added first of all that waits for it, so faults
    added one after the other strike one request after the other.

    Example:
        >>> from remote_chatbots.emulator import CrLf, Emulator, Trickle, Unavailable
        >>> emulator = Emulator()
        >>> emulator.faults.add(Unavailable(retry_after_s=0))
        >>> emulator.faults.add(CrLf(), Trickle(size_bytes=7), times=None, user="ann")
        >>> len(emulator.faults)
        2
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def add(
        self,
        *faults: Fault,
        times: int | None = 1,
        path: str | Iterable[str] | None = QUESTIONS,
        user: str | None = None,
    ) -> None:
        """Let faults strike.

        Args:
            *faults: What goes wrong; all of it with the same request.
            times: How many requests suffer it, `None` for all that come.
            path: The path or paths of these requests, at first those of questions on any platform; `*` stands for
                anything, `None` for all paths.
            user: Their user, with GPTBots the user of their conversation; `None` for everybody.

        Raises:
            ValueError: There is no fault, they exclude each other, or `times` is less than 1.
        """
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, not {times!r}")
        _check(faults)
        paths = ("*",) if path is None else (path,) if isinstance(path, str) else tuple(path)
        with self._lock:
            self._entries.append(_Entry(FaultSet(faults), times, paths, user))

    def clear(self) -> None:
        """Forget all faults that wait; requests that suffer already go on suffering."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        """Return how many calls of `add` still wait for a request."""
        with self._lock:
            return len(self._entries)

    def take(self, path: str, user: str | None) -> FaultSet:
        """Return what a request suffers; the server calls this once for each that it receives."""
        with self._lock:
            entry = next((entry for entry in self._entries if entry.matches(path, user)), None)
            if entry is None:
                return NO_FAULTS
            if entry.left is not None:
                entry.left -= 1
                if entry.left == 0:
                    self._entries.remove(entry)
            return entry.faults


def _check(faults: Sequence[Fault]) -> None:
    if not faults:
        raise ValueError("give at least one fault")
    for fault in faults:
        if not isinstance(fault, Fault):
            raise ValueError(f"{fault!r} is no fault: give an instance of one of the classes in `faults`")
    kinds = [type(fault) for fault in faults]
    alike = [(kind,) for kind in kinds if not issubclass(kind, (AnswerFault, Hang))]
    for group in (*_EXCLUSIVE, *alike):
        names = [kind.__name__ for kind in kinds if issubclass(kind, group)]
        if len(names) > 1:
            raise ValueError(f"{' and '.join(names)} exclude each other")
    answers = [kind.__name__ for kind in kinds if issubclass(kind, AnswerFault)]
    events = [kind.__name__ for kind in kinds if issubclass(kind, EventFault)]
    if answers and events:
        raise ValueError(f"{answers[0]} leaves no events for {events[0]}")
