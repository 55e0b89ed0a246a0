"""Which slices have routes."""

from __future__ import annotations

from fastapi import APIRouter

from tidemill.access import api as access_api
from tidemill.data import api as data_api
from tidemill.platform import Platform


def slice_routers(platform: Platform) -> list[APIRouter]:
    """The routers of all slices; each route stands below `/api/v1`."""
    site = platform.site
    return [access_api.routes(site), data_api.routes(site)]
