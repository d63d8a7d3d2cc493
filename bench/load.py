"""The client: one process of its own that keeps a fixed number of connections busy.

It is lean (bytes made beforehand, answers read by their Content-Length) because it shares the processors with the
server it measures; how much of them it took is part of the result.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final, Self

_DEADLINE: Final = 120.0


@dataclass(frozen=True)
class Burst:
    """What came of a number of requests: seconds from the first byte sent to the last received, latencies in ms."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]
    client_cpu_seconds: float

    def expect(self, status: int) -> None:
        """Raise unless every answer had that status: a figure over errors would be a lie."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"expected only {status}, got {self.statuses}")


class LoadClient:
    """Runs bursts in the client process, one after another."""

    def __enter__(self) -> Self:
        """Start the process."""
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._pool.submit(int).result()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._pool.shutdown()

    def burst(self, port: int, requests: Sequence[bytes], connections: int) -> Burst:
        """Send all requests over so many connections, on each the next as soon as the last is answered."""
        return self._pool.submit(_burst, port, requests, connections).result()


def _burst(port: int, requests: Sequence[bytes], connections: int) -> Burst:
    return asyncio.run(asyncio.wait_for(_send_all(port, requests, connections), _DEADLINE))


async def _send_all(port: int, requests: Sequence[bytes], connections: int) -> Burst:
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    queue = iter(requests)
    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_keep_busy(reader, writer, queue, latencies, statuses) for reader, writer in streams))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()
    return Burst(seconds, latencies, dict(statuses), cpu)


async def _keep_busy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    queue: Iterator[bytes],
    latencies: list[float],
    statuses: Counter[int],
) -> None:
    for request in queue:
        sent = time.perf_counter()
        writer.write(request)
        status = await _answer(reader)
        latencies.append((time.perf_counter() - sent) * 1000)
        statuses[status] += 1


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *fields = head.decode("latin-1").lower().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields if field)
    await reader.readexactly(int(headers["content-length"]))
    return int(status_line.split()[1])
