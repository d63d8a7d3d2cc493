"""What the server cannot exceed: bare signatures of the same key on all processors, and bare durable commits."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from app.store.sqlite import SqliteDatabase
from bench.machine import processors

_TBS_BYTES: Final = 900
"""About the size of a TBSCertificate with an RSA-2048 key, so that hashing counts as well."""


class RawSigners:
    """One process for each processor, all with the CA's own key and nothing else to do."""

    def __init__(self, key: CertificateIssuerPrivateKeyTypes) -> None:
        """Take the key to sign with."""
        self._count = processors()
        self._der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __enter__(self) -> Self:
        """Start the processes."""
        context = get_context("spawn")
        barrier = context.Barrier(self._count)
        self._pool = ProcessPoolExecutor(self._count, context, _load_key, (self._der, barrier))
        self.signatures_per_second(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._pool.shutdown()

    def signatures_per_second(self, seconds: float) -> float:
        """Let all sign for so long at the same time; return the sum of their rates."""
        return sum(self._pool.map(_sign_for, [seconds] * self._count))


_process: Final[dict[str, Any]] = {}


def _load_key(der: bytes, barrier: Barrier) -> None:
    _process.update(key=serialization.load_der_private_key(der, None), barrier=barrier)


def _sign_for(seconds: float) -> float:
    """Return signatures/s of this process. The barrier lets no process take two of the tasks."""
    key, message, count = _process["key"], secrets.token_bytes(_TBS_BYTES), 0
    _process["barrier"].wait(timeout=60)
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        _sign(key, message)
        count += 1
    return count / elapsed


def _sign(key: Any, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    signature: bytes = key.sign(message)
    return signature


class RawCommits:
    """A database beside the server's, on the same disk, opened as the server opens its own."""

    def __init__(self, path: Path) -> None:
        """Make it, with one table."""
        self._database = SqliteDatabase.create(path)
        with self._database.transaction():
            self._database.script(["CREATE TABLE IF NOT EXISTS scratch (id INTEGER PRIMARY KEY, value TEXT NOT NULL)"])

    def commits_per_second(self, seconds: float) -> float:
        """Return durable one-row transactions/s of a single writer."""
        count, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            with self._database.transaction():
                self._database.insert("scratch", {"value": "x" * _TBS_BYTES})
            count += 1
        return count / elapsed
