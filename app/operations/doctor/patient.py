"""What the checks look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.files.places import Places
    from app.files.tls_files import TlsFiles
    from app.operations.services import Services


@dataclass(frozen=True)
class Patient:
    """An installation. ``open_services`` raises what keeps a server from starting.

    ``weakened`` are a name and a sentence for each setting that makes it less safe; ``version`` is that of midca;
    ``tls`` is None where plain HTTP is spoken.
    """

    places: Places
    open_services: Callable[[], Services]
    weakened: Sequence[str]
    version: str
    tls: TlsFiles | None
    now: Callable[[], datetime]

    @cached_property
    def services(self) -> Services:
        """The opened services."""
        return self.open_services()

    @cached_property
    def readiness(self) -> dict[str, str]:
        """What ``/ready`` says."""
        return self.services.readiness.check()
