"""The commands of ``midca`` for the operator, one module a subject."""

from app.frontends.admin_cli.main import cli

__all__ = ["cli"]
