"""Which slices have routes."""

from __future__ import annotations

from fastapi import APIRouter

from tidemill.access import api as access_api
from tidemill.artifacts import api as artifacts_api
from tidemill.data import api as data_api
from tidemill.data.take import Limits
from tidemill.engine import api as engine_api
from tidemill.gate import api as gate_api
from tidemill.gate import approved_pipeline
from tidemill.monitoring import api as monitoring_api
from tidemill.notify import api as notify_api
from tidemill.platform import Platform
from tidemill.project import api as project_api
from tidemill.registry import api as registry_api
from tidemill.serving import api as serving_api
from tidemill.serving.source import RegistrySource
from tidemill.tracking import api as tracking_api
from tidemill.triggers import api as triggers_api
from tidemill.tuning import api as tuning_api


def slice_routers(platform: Platform) -> list[APIRouter]:
    """The routers of all slices; each route stands below `/api/v1`."""
    site = platform.site
    source = RegistrySource(site)
    floor = platform.settings.number("free_space_floor_bytes")
    limits = Limits(upload_bytes=platform.settings.number("upload_limit_bytes"), floor_bytes=floor)
    return [
        access_api.routes(site),
        artifacts_api.routes(site),
        data_api.routes(site, limits),
        engine_api.routes(site, free_space_floor_bytes=floor),
        registry_api.routes(site),
        tuning_api.routes(site),
        gate_api.routes(site),
        serving_api.routes(site, source),
        monitoring_api.routes(site),
        triggers_api.routes(site, approved_pipeline),
        notify_api.routes(site, platform.notify_options),
        project_api.routes(site),
        tracking_api.routes(site, is_on=platform.settings.is_on("mlflow")),
    ]
