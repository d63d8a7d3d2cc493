"""The description of all HTTP routes: ``/openapi.json`` for programs, ``/docs`` for people."""

from app.frontends.api_description.pages import blueprint

__all__ = ["blueprint"]
