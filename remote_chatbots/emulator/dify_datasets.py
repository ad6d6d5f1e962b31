"""The HTTP face of Dify's knowledge bases: their own key opens them, an app's does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from .bodies import json_body, json_response
from .dataset_records import DatasetRecords
from .datasets import Dataset, Datasets
from .dify_http import DifyFace, id_in_path, key_in
from .fault_registry import FaultSet
from .ids import Ids
from .profiles import Profile
from .received import ReceivedRequest
from .refusals import unauthorized

T = TypeVar("T")

APP = "datasets"
_MOST = 100


class DatasetFace:
    """Answers what begins with `/v1/datasets`, in the way of the apps' server."""

    prefix = "/v1/datasets"

    def __init__(self, datasets: Datasets, ids: Ids, profile: Profile, apps: DifyFace) -> None:
        """Put a face on the knowledge bases.

        Args:
            datasets: They.
            ids: Knows their key.
            profile: Which age of the wire to speak.
            apps: The face of the same server's apps: refusals and headers are its.
        """
        self._datasets = datasets
        self._ids = ids
        self._profile = profile
        self._apps = apps

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints; an age that has no records has none."""
        if self._profile.dataset_records is None:
            return []
        return [
            web.get("/v1/datasets", self._bases),
            web.get("/v1/datasets/{dataset_id}/documents", self._documents),
            web.post("/v1/datasets/{dataset_id}/retrieve", self._retrieve),
            web.post("/v1/datasets/{dataset_id}/hit-testing", self._retrieve),
        ]

    def name_of_app(self, request: web.Request) -> str | None:
        """Return "datasets" if their key came with a request, else whose key it is."""
        return APP if self._opens(request) else self._apps.name_of_app(request)

    def user_in(self, received: ReceivedRequest) -> str | None:
        """Return the end user that a request names: knowledge bases know none."""
        return self._apps.user_in(received)

    def instead(self, request: web.Request, faults: FaultSet) -> web.Response | None:
        """Return what comes in the place of the answer."""
        return self._apps.instead(request, faults)

    def refused(self, request: web.Request, error: Exception) -> web.Response | None:
        """Return what a refused client reads."""
        return self._apps.refused(request, error)

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the server's headers."""
        self._apps.add_headers(request, response)

    @property
    def _records(self) -> DatasetRecords:
        assert self._profile.dataset_records is not None
        return self._profile.dataset_records

    async def _bases(self, request: web.Request) -> web.Response:
        self._authorize(request)
        wanted = request.query.get("keyword", "")
        held = [each for each in reversed(self._datasets.all()) if wanted in each.plan.name]
        return self._page(request, held, lambda each: self._records.base(each, self._ids))

    async def _documents(self, request: web.Request) -> web.Response:
        dataset = self._dataset(request)
        wanted = request.query.get("keyword", "")
        names = [name for name in reversed(list(dataset.documents)) if wanted in name]
        return self._page(request, names, lambda name: self._records.document(dataset, name, self._ids))

    async def _retrieve(self, request: web.Request) -> web.Response:
        dataset = self._dataset(request)
        asked = self._profile.checks.retrieval(await json_body(request))
        found = dataset.search(asked)
        return json_response(self._profile, self._records.found(dataset, asked.query, found, self._ids))

    def _page(self, request: web.Request, held: Sequence[T], told: Any) -> web.Response:
        page, limit = _number(request, "page", 1), min(_number(request, "limit", 20), _MOST)
        shown = held[(page - 1) * limit : page * limit]
        body = {
            "data": [told(each) for each in shown],
            "has_more": len(shown) == limit,
            "limit": limit,
            "total": len(held),
            "page": page,
        }
        return json_response(self._profile, body)

    def _dataset(self, request: web.Request) -> Dataset:
        self._authorize(request)
        return self._datasets.with_id(id_in_path(request, "dataset_id"))

    def _authorize(self, request: web.Request) -> None:
        key_in(request)
        if not self._opens(request):
            raise unauthorized("Access token is invalid")

    def _opens(self, request: web.Request) -> bool:
        return request.headers.get("Authorization", "").partition(" ")[2] == self._ids.dataset_key()


def _number(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, "")
    return max(1, int(given)) if given.isdecimal() else default
