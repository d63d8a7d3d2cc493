"""Serves the application with gunicorn: several workers, keys loaded once before they fork."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead

from app.errors import ConfigurationError, Refusal
from app.files.server_process import ServerProcess
from app.frontends import metrics
from app.http_frontend import MAX_BODY_BYTES
from app.http_server.shared_counts import SharedCounts
from app.http_server.worker import PatientWorker
from app.pki import weak_key
from app.web import create_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from app.child_process import ChildProcess
    from app.operations.services import Services
    from app.settings import Settings

_log = logging.getLogger("midca")
_MAX_CONNECTIONS: Final = 512  # of a worker; each may hold 64 KiB of a request that is not whole yet
_OWN_FILES: Final = 40
_FILES_OF_A_THREAD: Final = 4  # it reads from the database by a connection of its own
_M_TRIM_THRESHOLD: Final = -1  # of glibc's malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


class _Logger(Logger):  # type: ignore[misc] # gunicorn ships no types
    """Sends gunicorn's own lines the way of all others, so that they are one line of JSON each as well."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True


class _Worker(PatientWorker):
    max_body = MAX_BODY_BYTES
    counts = SharedCounts()


class _Master(Arbiter):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's master, which looks after its workers every second, and here after other processes, too."""

    def manage_workers(self) -> None:
        super().manage_workers()
        for child in self.app.children:
            child.look_after([listener.fileno() for listener in self.LISTENERS])


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    def __init__(self, services: Services, settings: Settings, children: Sequence[ChildProcess]) -> None:
        self.children = children
        self._services = services
        self._settings = settings
        self._process = ServerProcess(settings.server_process)
        self._tls = settings.tls and settings.tls.context()
        self._holds = False
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def run(self) -> None:
        _Master(self).run()

    def load(self) -> Flask:
        return create_app(self._services)

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "bind": settings.address,
            "proc_name": "midca",
            "worker_class": _Worker,
            "workers": settings.workers,
            "threads": settings.threads,
            "preload_app": True,
            "graceful_timeout": 30,
            "timeout": 60,
            "worker_connections": _connections(settings.threads),
            "keepalive": 10,
            "limit_request_line": 2048,
            "limit_request_fields": 64,
            "limit_request_field_size": 8190,
            # No header may say who the peer is, or where the application is mounted.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "logger_class": _Logger,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": self._ready,
            "on_reload": self._reload,
            "pre_fork": self._before_fork,
            "post_worker_init": self._worker_started,
            "child_exit": self._worker_ended,
            "on_exit": self._ended,
        } | self._tls_options()

    def _tls_options(self) -> dict[str, Any]:
        if (tls := self._settings.tls) is None:
            return {}
        # gunicorn looks no further than that there are files; what they make is asked for with each connection.
        return {
            "certfile": str(tls.certificate),
            "keyfile": str(tls.key),
            "ssl_context": lambda _config, _default: self._tls,
        }

    def _ready(self, _server: object) -> None:
        weak_key.warm_up()
        # What the workers share is never looked at by the collector again, so its pages stay shared.
        self._services.database.close()
        gc.collect()
        gc.freeze()
        self._holds = self._process.hold()
        if not self._holds:
            _log.warning("another server runs on %s: midca reload reaches that one alone", self._settings.data)
        _log.info("serving on %s", self._settings.url)

    def _before_fork(self, _server: object, worker: _Worker) -> None:
        worker.place = worker.counts.take()

    def _worker_ended(self, _server: object, worker: Any) -> None:
        worker.counts.leave(worker.place)
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library has not typed it

    def _reload(self, _server: object) -> None:
        """Read profiles, CAs and TLS certificate again on SIGHUP, in the master: new workers take the place of the old.

        Those finish what they have begun by the profiles they began it with.
        """
        self._services.profiles.reload()
        self._services.authorities.take_over(self._services.hierarchy.load)
        self._services.database.close()
        self._reload_tls()
        for child in self.children:
            child.restart()

    def _reload_tls(self) -> None:
        try:
            self._tls = self._settings.tls and self._settings.tls.context()
        except ConfigurationError as error:
            _log.error("the TLS certificate stays as it was: %s", error)

    def _ended(self, _server: object) -> None:
        for child in self.children:
            child.restart()  # all of them end at the same time
        for child in self.children:
            child.stop()
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
        if self._holds:
            self._process.release()

    def _worker_started(self, _worker: object) -> None:
        """Finish what a worker that was killed has left; this one may be in its place."""
        # Who holds the writers' queue gives up the interpreter at every statement, and should get it back soon.
        sys.setswitchinterval(0.0005)
        metrics.begin()
        try:
            settled = self._services.signing.settle_all(self._services.authorities)
        except Refusal as refusal:  # a busy database must not keep the worker from serving
            _log.warning("pending certificates are left for later: %s", refusal)
            return
        if settled:
            _log.warning("settled %s pending certificates", settled)


def _connections(threads: int) -> int:
    """Return how many connections a worker may have, by how many files it may open: the database's come first."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(2 * threads, min(_MAX_CONNECTIONS, files - _OWN_FILES - _FILES_OF_A_THREAD * threads))


def _spare_memory() -> None:
    """Keep glibc from hoarding what threads free: no heap for each of them, large blocks given back at once.

    Stretching a password takes 16 MiB for a moment; without this 8 threads have kept that much each for good.
    """
    with suppress(OSError, AttributeError):  # another C library has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * 1024)


def serve(services: Services, settings: Settings, children: Sequence[ChildProcess]) -> None:
    """Serve until a signal ends it, with these processes beside the workers; requests in flight are finished."""
    _spare_memory()
    _Application(services, settings, children).run()
