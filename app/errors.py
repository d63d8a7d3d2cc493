"""Every refusal of the CA, in one hierarchy and free of any protocol.

The message of a :class:`Refusal` is a sentence that may be shown to the caller, so it never holds a secret. Each front
end renders it in its own protocol; what is not one of these classes is a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Refusal(Exception):
    """The CA declines to do what was asked, and says why in a sentence the caller can act on."""

    @property
    def code(self) -> str:
        """A stable word for logs and audit entries, e.g. ``WrongPassword``."""
        return type(self).__name__


class InvalidInput(Refusal):
    """What was sent cannot be what it claims to be: a name, a number or a field with an impossible value."""


class MalformedRequest(InvalidInput):
    """A certification request (RFC 2986) that cannot be read, or holds what no request may hold."""


class ProofOfPossessionFailed(MalformedRequest):
    """The request is not signed by the key it asks a certificate for (RFC 2986 section 3)."""


class ProfileViolation(Refusal):
    """The certificate profile refuses the request; ``violations`` lists every broken rule, not just the first."""

    def __init__(self, violations: Iterable[str]) -> None:
        """Take the sentences of all broken rules, in the order of the profile's rules."""
        self.violations = tuple(violations)
        super().__init__(" ".join(self.violations))


class EndEntityProfileViolation(InvalidInput):
    """The end entity profile refuses what is to be registered; the sentence names every broken rule."""


class NotFound(Refusal):
    """What was named does not exist."""


class UnknownAuthority(NotFound):
    """No CA goes by that name."""


class UnknownProfile(NotFound):
    """No certificate or end entity profile goes by that name."""


class UnknownEndEntity(NotFound):
    """No end entity goes by that name."""


class UnknownCertificate(NotFound):
    """No certificate was found."""


class NoSuchList(NotFound):
    """No revocation list of that scope or kind is issued."""


class UnknownToken(NotFound):
    """No access token goes by that name."""


class EnrolmentRefused(Refusal):
    """Name, password and state of an end entity do not allow an enrolment now.

    ``wrong_password`` says whether the password was wrong, whatever else was.
    """

    def __init__(self, message: str, *, wrong_password: bool = False) -> None:
        """Take the sentence, and whether this was a wrong guess that has to be counted."""
        self.wrong_password = wrong_password
        super().__init__(message)


class WrongPassword(EnrolmentRefused):
    """The enrolment password is not the end entity's."""


class WrongStatus(EnrolmentRefused):
    """The end entity is in a state in which it may not enrol, e.g. GENERATED or REVOKED."""


class WrongTokenType(EnrolmentRefused):
    """The end entity's token type says that the CA, not the end entity, makes the key."""


class EnrolmentWindowOver(EnrolmentRefused):
    """The password is right, but was set too long ago; a new one has to be set."""


class TooManyFailures(Refusal):
    """Enrolment is locked for a while after wrong passwords; ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        """Take the sentence and the whole seconds until the next attempt is looked at."""
        self.retry_after = retry_after
        super().__init__(message)


class AddressBlocked(TooManyFailures):
    """Too many wrong passwords came from the caller's address, whatever the names."""


class GuessingBlocked(TooManyFailures):
    """Too many wrong passwords came from everywhere, and this end entity's password is one that can be guessed."""


class Conflict(Refusal):
    """The act would contradict what is already recorded."""


class KeyInUse(Conflict):
    """Another end entity's certificate, or a CA, already holds this public key."""


class KeyCompromised(Conflict):
    """A certificate of this public key was revoked as compromised."""


class SubjectInUse(Conflict):
    """Another end entity, or a CA, already holds this subject."""


class AlreadyRegistered(Conflict):
    """There is an end entity of that name, and only a new one was to be added."""


class HasGoodCertificate(Conflict):
    """The end entity has a certificate that is good, and the caller may not register it anew before that is revoked."""


class NotAuthenticated(Refusal):
    """The caller did not show who they are."""


class NotAllowed(Refusal):
    """The caller is known but may not do this."""


class Forbidden(NotAllowed):
    """The caller's roles or tenant do not reach so far, whether there is something or not."""


class Unavailable(Refusal):
    """The CA cannot do its work now; the same request may succeed later."""

    retry_after = 5


class StoreUnavailable(Unavailable):
    """The database is locked, full, read-only or gone."""


class SigningUnavailable(Unavailable):
    """The CA's key or certificate cannot be used now."""


class IdentityProviderUnavailable(Unavailable):
    """The keys that a caller's token is verified with cannot be had now."""


class ConfigurationError(Exception):
    """What the operator wrote, or what lies on disk, contradicts itself: the program does not start."""
