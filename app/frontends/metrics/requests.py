"""What is counted as it happens, in each worker: requests, their time, and why they were refused.

Labels are from short lists of our own, never from what a client sent: a route's template, a class of statuses, a name
of :mod:`app.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Response, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

_COUNTED: Final = CollectorRegistry()
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
_DURATION: Final = Histogram(
    "midca_http_request_duration_seconds",
    "Time from a request's headers to its answer.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=_COUNTED,
)
_REFUSALS: Final = Counter(
    "midca_refusals",
    "Requests that were refused, by the code that the request log has too.",
    ["code"],
    registry=_COUNTED,
)
_OCSP: Final = Counter(
    "midca_ocsp_answers",
    "OCSP answers, by the status or the error in them.",
    ["status"],
    registry=_COUNTED,
)


def begin() -> None:
    """Open the files that this process counts in before it serves: later there may be too many open."""
    _DURATION.labels("GET", "/health", "2xx")
    _REFUSALS.labels("NotAuthenticated")


def count(response: Response, seconds: float, fields: Mapping[str, object]) -> None:
    """Count a request that has been answered, by the ``fields`` of the request log.

    ``outcome`` is the refusal's code, if it was one of ours; ``ocsp`` the status or error in an OCSP answer.
    """
    outcome = str(fields["outcome"])
    method = "GET" if request.method == "HEAD" else request.method
    route = request.url_rule.rule if request.url_rule else "other"
    status = f"{response.status_code // 100}xx"
    _DURATION.labels(method if method in _METHODS else "other", route, status).observe(seconds)
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        _REFUSALS.labels(outcome if outcome != "refused" else f"Http{response.status_code}").inc()
    if "ocsp" in fields:
        _OCSP.labels(str(fields["ocsp"])).inc()


def registry() -> CollectorRegistry:
    """Return a registry of what was counted: by all workers where they share a directory, else by this process."""
    gathered = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call] # the library has not typed it
    else:
        gathered.register(_COUNTED)
    return gathered
