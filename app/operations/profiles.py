"""The certificate and end entity profiles in use: read whole, swapped whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, NotAllowed, UnknownProfile
from app.pki.ocsp_responder import RESPONDER_PROFILE
from app.pki.profile_rules import ProfileType

if TYPE_CHECKING:
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.end_entity_profile import EndEntityProfile

_log = logging.getLogger("midca")
_SHOWN = 80


class Profiles(Mapping[str, "CertificateProfile"]):
    """An immutable snapshot of the certificate profiles and, beside them, the end entity profiles.

    :meth:`reload` replaces both in one step.

    Who asks for a profile once and keeps it for the length of a request sees no change half-way; a profile never
    changes itself.
    """

    def __init__(
        self,
        load: Callable[[], Mapping[str, CertificateProfile]],
        load_end_entity_profiles: Callable[[], Mapping[str, EndEntityProfile]] = dict,
    ) -> None:
        """Take what reads the files, and read them; raises :class:`ConfigurationError` when they make no sense."""
        self._load = load
        self._load_end_entity_profiles = load_end_entity_profiles
        self._current, self._end_entity_profiles = self._read()

    def __getitem__(self, name: str) -> CertificateProfile:
        """Return the profile of that name."""
        return self._current[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of one snapshot."""
        return iter(self._current)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._current)

    def named(self, name: str) -> CertificateProfile:
        """Return the profile, or raise :class:`UnknownProfile` with EJBCA's words."""
        profile = self.get(name)
        if profile is None:
            raise UnknownProfile(f"Error Certificate profile {name[:_SHOWN]} does not exist.")
        return profile

    @property
    def end_entity_profiles(self) -> Mapping[str, EndEntityProfile]:
        """The end entity profiles of this moment, by name."""
        return self._end_entity_profiles

    def for_end_entity(self, name: str) -> CertificateProfile:
        """Return the profile if it is for end entities; raise :class:`UnknownProfile`, or :class:`NotAllowed`."""
        profile = self.named(name)
        if profile.type is not ProfileType.END_ENTITY:
            raise NotAllowed(f"Certificate profile {name} is not for end entities.")
        return profile

    def for_authority(self, ca_name: str, name: str) -> CertificateProfile:
        """Return the profile that a CA is made by; raise :class:`ConfigurationError` when it is none."""
        return self._of_type(ProfileType.CA, name, f"CA {ca_name}")

    @property
    def for_responders(self) -> CertificateProfile:
        """The profile of the OCSP responders; raises :class:`ConfigurationError` when it is none."""
        return self._of_type(ProfileType.OCSP_RESPONDER, RESPONDER_PROFILE, "OCSP responders")

    def _of_type(self, wanted: ProfileType, name: str, whose: str) -> CertificateProfile:
        profile = self.get(name)
        if profile is None or profile.type is not wanted:
            raise ConfigurationError(f"There is no certificate profile {name} of type {wanted}, for the {whose}.")
        return profile

    def end_entity_profile(self, name: str) -> EndEntityProfile:
        """Return the end entity profile, or raise :class:`UnknownProfile` with EJBCA's words."""
        profile = self._end_entity_profiles.get(name)
        if profile is None:
            raise UnknownProfile(f"Error End Entity profile {name[:_SHOWN]} does not exist.")
        return profile

    def _read(self) -> tuple[Mapping[str, CertificateProfile], Mapping[str, EndEntityProfile]]:
        return MappingProxyType(dict(self._load())), MappingProxyType(dict(self._load_end_entity_profiles()))

    def reload(self) -> None:
        """Read the files again; when one of them makes no sense, keep all profiles as they were and say so."""
        try:
            self._current, self._end_entity_profiles = self._read()
        except ConfigurationError as error:
            _log.error("the certificate profiles stay as they were: %s", error)
            return
        except Exception:  # noqa: BLE001 -- a mistake of ours in reading a file must not end the process that serves
            _log.exception("the certificate profiles stay as they were")
            return
        for kind, profiles in (("certificate", self._current), ("end entity", self._end_entity_profiles)):
            hashes = (f"{name} {profile.sha256[:12]}" for name, profile in profiles.items())
            _log.info("read the %s profiles: %s", kind, ", ".join(hashes))
