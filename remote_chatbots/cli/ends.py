"""How a command ends: its exit codes, and the error that a wrong argument is."""

from __future__ import annotations

FINE, CRASHED, WRONG_USE = 0, 1, 2
# Of `doctor`, by what is wrong; other commands end with FAILED.
NO_CONNECTION, REFUSED_KEY, WRONG_ADDRESS, APP_NOT_READY, AT_A_LIMIT, SERVER_FAILED = 3, 4, 5, 6, 7, 8
FAILED = 1
INTERRUPTED = 130


class Unusable(Exception):
    """What was given on the command line cannot be used. The message says why, and what to do."""
