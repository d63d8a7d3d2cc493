"""The route."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.frontends.metrics.device_events import DeviceEvents
from app.frontends.metrics.requests import registry
from app.frontends.metrics.state import State
from app.http_description import described
from app.http_frontend import services

blueprint: Final = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@described({200: ("text/plain",)})
def metrics() -> Response:
    """Answer with the metrics in Prometheus' text format."""
    gathered = registry()
    gathered.register(State(services()))
    gathered.register(DeviceEvents(services()))
    return Response(generate_latest(gathered), content_type=CONTENT_TYPE_LATEST)
