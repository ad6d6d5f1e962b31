"""Which files a server has already, so that a file is uploaded once for each user. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from remote_chatbots.attachments import Attachment
from remote_chatbots.contents import SLICE_BYTES, digest_of
from remote_chatbots.flow import Errand, Flow, Sleep

MOST_UPLOADS = 10_000
LOOK_AGAIN_S = 0.05


class Uploads:
    """The ids under which a server has files: by content, name, type and user, for a bot is told the name and the type.

    They are learnt, not set: a copy or a pickle begins empty. Safe in threads: each step is one of a dict's own. Of
    more than `most` ids the half that was kept first is forgotten.
    """

    def __init__(self, most: int = MOST_UPLOADS) -> None:
        self._most = most
        self._ids: dict[str, str] = {}
        self._claims: dict[str, object] = {}

    def id_of(self, file: Attachment, user: str, upload: Callable[[], Flow[str]]) -> Flow[tuple[str, str]]:
        """Return a file's key and its id, uploading it if need be; of several that ask at once one uploads it.

        Args:
            file: The file; its bytes are read.
            user: Whose file it is.
            upload: The flow that uploads it.

        Raises:
            BotError: If the upload fails.
        """
        key = yield from _key_of(file, user)
        claim = object()
        while key not in self._ids and self._claims.setdefault(key, claim) is not claim:
            if not (yield Sleep(LOOK_AGAIN_S)):
                break  # no time is left: whatever is sent next says so
        try:
            id_ = self._ids.get(key) or (yield from upload())
            self._keep(key, id_)
        finally:
            if self._claims.get(key) is claim:
                del self._claims[key]
        return key, id_

    def forget(self, key: str) -> None:
        """Forget an id that the server does not know any more."""
        self._ids.pop(key, None)

    def _keep(self, key: str, id_: str) -> None:
        self._ids[key] = id_
        if len(self._ids) > self._most:
            for known in list(self._ids)[: self._most // 2]:
                self._ids.pop(known, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return Uploads, (self._most,)


def _key_of(file: Attachment, user: str) -> Flow[str]:
    content = file.content
    digest: str
    if len(content) > SLICE_BYTES:
        digest = yield Errand(partial(digest_of, content))
    else:
        digest = digest_of(content)
    told = json.dumps([user, digest, file.file_name, file.media_type])
    return hashlib.sha256(told.encode()).hexdigest()
