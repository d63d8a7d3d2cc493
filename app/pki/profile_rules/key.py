"""Which public keys are certified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.pki.profile_rules.rule import Finding, Rule, Verdict
from app.pki.weak_key import weakness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


@dataclass(frozen=True)
class KeyRule(Rule):
    """Which public keys are certified: RSA by its bits, elliptic curves by name, Ed25519.

    ``refuse_weak`` looks for keys whose private half can be found (EJBCA's RSA and EC key validators).
    """

    rsa_min_bits: int | None = None
    rsa_max_bits: int | None = None
    curves: tuple[str, ...] = ()
    ed25519: bool = False
    refuse_weak: bool = True

    key: ClassVar[str] = "key"
    clause: ClassVar[str] = "RFC 8017 section 3.1; EJBCA availablekeyalgorithms, availablebitlengths, availableeccurves"
    CURVES: ClassVar[dict[str, str]] = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
    MIN_EXPONENT: ClassVar[int] = 65537  # FIPS 186-5 section A.1.1: above 2^16 ...
    MAX_EXPONENT_BITS: ClassVar[int] = 256  # ... and below 2^256; a small private exponent has a large public one

    def describe(self) -> str:
        return self._allowed.removeprefix("allowed: ")

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        problem = self._problem(request)
        verdict = Verdict.KEPT if problem is None else Verdict.REFUSED
        yield Finding("public key", verdict, problem or "The key is of an allowed kind and length.")

    def _problem(self, request: EnrolmentRequest) -> str | None:
        key = request.public_key
        if isinstance(key, rsa.RSAPublicKey):
            return self._rsa_problem(key)
        if isinstance(key, ec.EllipticCurvePublicKey):
            if key.curve.name in self.curves:
                return self._weakness(key, "EC")
            # EJBCA holds the length of every key against the profile's, so P-256 is "256" to an RSA profile.
            return f"Illegal key length: {key.key_size}. The curve {key.curve.name} is not allowed; {self._allowed}"
        if isinstance(key, ed25519.Ed25519PublicKey):
            return self._weakness(key, "Ed25519") if self.ed25519 else self._wrong_algorithm("Ed25519")
        return self._wrong_algorithm(type(key).__name__.removesuffix("PublicKey"))

    def _rsa_problem(self, key: rsa.RSAPublicKey) -> str | None:
        if self.rsa_min_bits is None or self.rsa_max_bits is None:
            return self._wrong_algorithm("RSA")
        if not self.rsa_min_bits <= key.key_size <= self.rsa_max_bits:
            return f"Illegal key length: {key.key_size}. A{self._allowed[1:]}"
        numbers = key.public_numbers()
        if numbers.n % 2 == 0:
            return "The RSA modulus is even, so it is no product of two large primes."
        return self._exponent_problem(numbers.e) or self._weakness(key, "RSA")

    def _weakness(self, key: object, kind: str) -> str | None:
        weak = weakness(key) if self.refuse_weak else None
        return f"The {kind} key {weak}; make a new one." if weak else None

    def _exponent_problem(self, exponent: int) -> str | None:
        if exponent < self.MIN_EXPONENT or exponent % 2 == 0:
            return f"The RSA public exponent is {exponent}; it must be odd and at least {self.MIN_EXPONENT}."
        if exponent.bit_length() > self.MAX_EXPONENT_BITS:
            return f"The RSA public exponent is longer than {self.MAX_EXPONENT_BITS} bits (FIPS 186-5 section A.1.1)."
        return None

    def _wrong_algorithm(self, name: str) -> str:
        return f"Illegal key algorithm, not authorized by certificate profile: {name}; {self._allowed}"

    @property
    def _allowed(self) -> str:
        kinds = []
        if self.rsa_min_bits is not None:
            kinds.append(f"RSA of {self.rsa_min_bits} to {self.rsa_max_bits} bits")
        kinds.extend(self.CURVES.get(curve, curve) for curve in self.curves)
        if self.ed25519:
            kinds.append("Ed25519")
        return f"allowed: {', '.join(kinds)}."
