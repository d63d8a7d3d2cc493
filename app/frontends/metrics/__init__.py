"""``/metrics`` for Prometheus: what the workers count of requests, and what the database says when it is asked."""

from app.frontends.metrics.requests import begin, count
from app.frontends.metrics.routes import blueprint

__all__ = ["begin", "blueprint", "count"]
