"""The calls that move files: uploads, previews, and the signed addresses at which files can be fetched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from .apps import App
from .bodies import json_response
from .checks import ANONYMOUS_USER, is_uuid
from .profiles import Profile
from .refusals import Refusal, invalid_param
from .state import State

_PATIENCE_S = 1.0


class FileCalls:
    """The part of Dify's HTTP face that moves files."""

    def __init__(self, state: State, profile: Profile, authorized_app: Callable[[web.Request], App]) -> None:
        """Put a face on a server's files.

        Args:
            state: The data.
            profile: Which age of the wire to speak.
            authorized_app: Returns the app whose key came with a request, or refuses.
        """
        self._state = state
        self._profile = profile
        self._authorized_app = authorized_app

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.post("/v1/files/upload", self._upload),
            web.get("/v1/files/{file_id}/preview", self._preview),
            web.get("/files/{file_id}/file-preview", self._fetch),
            web.get("/files/tools/{file_id}.{extension}", self._fetch),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        fields: dict[str, str] = {}
        files: list[tuple[str, str, bytes]] = []
        if request.content_type.startswith("multipart/"):
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                if part.filename is None and "filename=" not in part.headers.get("Content-Disposition", ""):
                    fields[part.name or ""] = await part.text()
                elif part.name == "file":
                    mime_type = part.headers.get("Content-Type", "").partition(";")[0].strip()
                    files.append((part.filename or "", mime_type, bytes(await part.read())))
        if not files:
            raise Refusal(400, *self._state.files.forms.no_file)
        # Of several the first is taken, and the others are not spoken of (recorded: upload-two-files).
        name, mime_type, content = files[0]
        if not mime_type:
            raise Refusal(415, "unsupported_file_type", "File type not allowed.")
        if not name:
            raise Refusal(400, "filename_not_exists_error", "The specified filename does not exist.")
        file = self._state.upload(app, fields.get("user") or ANONYMOUS_USER, name, mime_type, content)
        return json_response(self._profile, self._state.files.record_of(file), status=201)

    async def _preview(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        file_id = request.match_info["file_id"]
        if not is_uuid(file_id):
            raise web.HTTPNotFound
        # recorded: 1.14.2/file-preview, file-preview-unused-upload
        file = self._state.referred_file(app, file_id)
        if file is None:
            raise Refusal(404, "file_not_found", "File not found in message context")
        headers = {"Content-Type": file.mime_type, "Cache-Control": "public, max-age=3600"}
        return web.Response(body=file.content, headers=headers)

    async def _fetch(self, request: web.Request) -> web.Response:
        file = self._state.files.opened(request.match_info["file_id"], request.query)
        if file is None:
            raise Refusal(404, "not_found", "File not found or signature is invalid")
        return web.Response(body=file.content, headers={"Content-Type": file.mime_type})


async def check_addresses(app: App, told: Sequence[Any]) -> None:
    """Look whether the files are there that an app would fetch; only on this machine, others are taken as told.

    Raises:
        Refusal: 400; a real server tries for some seconds (recorded: err-files-remote-unreachable).
    """
    for item in told if app.files is not None else ():
        url = item.get("url") if isinstance(item, dict) and item.get("transfer_method") == "remote_url" else None
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is not None and (parts.hostname or "").startswith(("127.", "localhost")):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            except (OSError, ValueError, TimeoutError):
                raise invalid_param(f"Reached maximum retries (3) for URL {url}") from None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
