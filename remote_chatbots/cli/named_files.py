"""Files as a person names them: by a path, or by an address."""

from __future__ import annotations

import os
import re
from pathlib import Path

from remote_chatbots.attachments import Attachment

_BACKSLASH = re.compile(r"\\(.)")


def path_of(written: str) -> Path:
    """Return the path that a person wrote, or dragged into the terminal: `~` is their home, quotes are none of it."""
    path = Path(written.strip("'\""))
    try:
        path = path.expanduser()
    except RuntimeError:  # nobody's home: then it is a name like any other
        return path
    dragged = _BACKSLASH.sub(r"\1", str(path))
    there = os.path.exists  # which does not raise, whatever stands in a name
    return Path(dragged) if os.name == "posix" and there(dragged) and not there(path) else path


def file_of(written: str) -> Attachment:
    """Return the file at a path or an address; an `@` before it, as other tools have it, is none of it.

    Raises:
        BotUsageError: If there is none at the path, or it cannot be read.
    """
    where = written.strip().removeprefix("@").strip("'\"")
    if where.lower().startswith(("http://", "https://")):
        return Attachment.from_url(where)
    return Attachment.from_path(path_of(where))
