"""Where the time goes: enrolments through the WSGI application in this process, without gunicorn and the network."""

from __future__ import annotations

import cProfile
import io
import logging
import os
import pstats
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from flask import Flask
from werkzeug.test import EnvironBuilder

from app import logs
from app.web import create_app
from bench.devices import Device, make_devices
from bench.installation import Installation

_TOP: Final = 25


def profile(directory: Path, ca_key: str, count: int) -> str:
    """Return the top functions by cumulative time of ``count`` enrolments, and the time they take unprofiled."""
    installation = Installation.create(directory, ca_key)
    devices = make_devices(count)
    installation.register(devices)
    app = create_app(installation.services)
    with Path(os.devnull).open("w") as nowhere:
        _log_to(nowhere)
        wall, cpu = _timed(lambda: _enrol(app, devices))
        installation.rearm(devices)
        profiler = cProfile.Profile()
        profiler.runcall(_enrol, app, devices)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("cumulative").print_stats(_TOP)
    without = f"{wall / count * 1000:.2f} ms each ({cpu / count * 1000:.2f} ms of it on the processor)"
    return f"{count} enrolments, CA key {ca_key}; without the profiler {without}; with it:\n{text.getvalue()}"


def _log_to(stream: Any) -> None:
    """Make and format every log line as the server does, and write none."""
    logs.configure("json")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def _enrol(app: Flask, devices: Sequence[Device]) -> None:
    for device in devices:
        answers: list[str] = []
        b"".join(app(_environ(device), lambda status, *_, got=answers: got.append(status)))
        if answers != ["200 OK"]:
            raise RuntimeError(f"{device.name}: {answers}")


def _environ(device: Device) -> dict[str, Any]:
    builder = EnvironBuilder(
        f"/sign/{device.name}/pkcs10",
        method="POST",
        input_stream=io.BytesIO(document := device.document(device.password)),
        content_type="application/json",
        content_length=len(document),
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    return builder.get_environ()


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu
