"""The way of a device from its name to its files, and of many devices at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from cryptography import x509

from .authority import Authority
from .certification_request import Names
from .chain import verified_chain
from .device_files import DeviceFiles
from .errors import ClientError, during
from .files import is_there
from .private_key import KeyKind
from .revocation_list import verify_list
from .trusted_authority import TrustedAuthority, ca_file, check_pin, check_same_root


@dataclass(frozen=True)
class Device:
    """Who is to get a certificate, by which enrolment password."""

    names: Names
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name of its end entity, of its subject and of its files."""
        return self.names.common_name


class Result(Enum):
    """What came of a device."""

    RETRIEVED = "retrieved"
    KEPT = "kept"
    """It has a good certificate already."""
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The result, with the certificate or the error."""

    device: Device
    result: Result
    certificate: x509.Certificate | None = None
    error: ClientError | None = None


@dataclass(frozen=True)
class Wishes:
    """What the user wants: where the files go, which keys, and what is to be believed of the CA."""

    directory: Path
    key: KeyKind
    overwrite: bool
    revocation_list: bool
    ca_fingerprint: str | None


class Retrieval:
    """Retrieves certificates of one CA into one directory, which nobody else writes into meanwhile."""

    def __init__(
        self, authority: Authority, wishes: Wishes, now: Callable[[], datetime], say: Callable[[str], None]
    ) -> None:
        """Ask for nothing yet. ``say`` is told each step."""
        self.authority = authority
        self.wishes = wishes
        self.now = now
        self.say = say
        self._lock = threading.Lock()
        self._ca_written = False

    def look(self, devices: Sequence[Device]) -> tuple[list[Outcome], list[Device]]:
        """Return what is to be told of devices without asking anybody, and those that are to be retrieved."""
        looked = {device.name: self._look(device) for device in devices}
        told = [outcome for outcome in looked.values() if outcome is not None]
        return told, [device for device in devices if looked[device.name] is None]

    def trust(self) -> TrustedAuthority:
        """Return the CA with what it shows of itself; raise :class:`ClientError`, for there is no going on then."""
        name = self.authority.name
        self.say(f"Fetching the certificates of {name}")
        with during("fetch the CA's certificates"):
            chain = verified_chain(self.authority.certificates(), self.now())
            if self.wishes.ca_fingerprint:
                check_pin(chain, self.wishes.ca_fingerprint)
            check_same_root(chain, ca_file(self.wishes.directory, self.authority))
        if not self.wishes.revocation_list:
            return TrustedAuthority(self.authority, chain, None, self.now)
        self.say(f"Fetching the revocation list of {name}")
        with during("fetch the revocation list"):
            crl = self.authority.revocation_list()
            verify_list(crl, chain[0], self.now())
        return TrustedAuthority(self.authority, chain, crl, self.now)

    def has_ca(self) -> bool:
        """Return whether the CA's file is there."""
        return is_there(ca_file(self.wishes.directory, self.authority))

    def retrieve(self, devices: Sequence[Device], authority: TrustedAuthority, jobs: int) -> Iterator[Outcome]:
        """Yield what comes of each device, as it comes, ``jobs`` at a time."""
        pool = ThreadPoolExecutor(jobs)
        try:
            for future in as_completed([pool.submit(self._retrieve, device, authority) for device in devices]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _look(self, device: Device) -> Outcome | None:
        files = DeviceFiles(self.wishes.directory, device.name)
        try:
            with during("look at the files"):
                settled = files.settle()
                found = files.current(device.names, self.now()) if settled or not self.wishes.overwrite else None
        except ClientError as error:
            return Outcome(device, Result.FAILED, error=error)
        if found is None:
            return None
        return Outcome(device, Result.RETRIEVED if settled else Result.KEPT, found)

    def _retrieve(self, device: Device, authority: TrustedAuthority) -> Outcome:
        files = DeviceFiles(self.wishes.directory, device.name)
        try:
            self.say(f"Making key and request of {device.name}")
            with during("make key and request"):
                key, request = files.prepare(device.names, self.wishes.key, new_key=self.wishes.overwrite)
            self.say(f"Asking for the certificate of {device.name}")
            with during("get the certificate"):
                certificate = authority.issue(device.names, device.password, key, request)
            with during("write the files"):
                self._write_ca_once(authority)
                files.finish(certificate, authority.chain)
        except ClientError as error:
            return Outcome(device, Result.FAILED, error=error)
        return Outcome(device, Result.RETRIEVED, certificate)

    def _write_ca_once(self, authority: TrustedAuthority) -> None:
        """Write the CA's files with the first certificate that is really of it."""
        with self._lock:
            if not self._ca_written:
                authority.write(self.wishes.directory)
                self._ca_written = True
