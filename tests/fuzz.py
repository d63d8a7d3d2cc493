"""Mutated certification requests against parser and shipped profiles: ``python -m tests.fuzz --count 1000000``.

The seeds are the odd requests of ``tests/vectors``. One half of the mutants keep their broken signature; the other half
get a P-256 key of ours and are signed after they were mutated, so that they come through to the rules. Allowed are
documented refusals, and certificates that an independent judge finds within the profile. Now and then a mutant goes the
way over HTTP. Anything else is a finding: it is printed with the request, and the exit status is 1.
"""

import argparse
import base64
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from multiprocessing import cpu_count, get_context
from pathlib import Path
from typing import Any

import yaml
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1
from asn1crypto.keys import PublicKeyInfo
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import Refusal
from app.files.profile_files import HIERARCHY_FILE, load_profile
from app.operations.profile_cases import ProfileCases
from app.pki import distinguished_name
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.settings import shipped
from app.web import create_app
from tests.builders import HIERARCHY, profiles_directory
from tests.conftest import Installation
from tests.policy_judge import judge
from tests.vectors.cases import csr_cases
from tests.vectors.der import bit_string, oid, sequence

SUBJECT = distinguished_name.of_common_name("f60c28")
NOW = datetime.now(UTC)
CHUNK = 500
LARGEST_SEED = 20_000  # the larger ones have tests of their own
ONE_IN_SO_MANY_OVER_HTTP = 50
ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))


@dataclass
class Result:
    """How often each outcome was seen, and what should not have happened."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.outcomes += other.outcomes
        self.findings += other.findings


def fuzz(count: int, seed: int, processes: int) -> Result:
    """Try ``count`` mutants; the same seed makes the same ones, whatever the number of processes."""
    total = Result()
    chunks = [(seed, start, min(CHUNK, count - start)) for start in range(0, count, CHUNK)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for result in pool.map(_chunk, chunks):
            total.add(result)
    return total


def _chunk(which: tuple[int, int, int]) -> Result:
    seed, start, count = which
    chance, result = random.Random(f"{seed}/{start}"), Result()
    for number in range(count):
        der = _mutant(chance)
        way = _over_http if number % ONE_IN_SO_MANY_OVER_HTTP == 0 else _through_the_profiles
        try:
            result.outcomes.update(way(der))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
            result.findings.append(f"{way.__name__}: {type(error).__name__}: {error}: {base64.b64encode(der).decode()}")
    return result


# Mutants


def _mutant(chance: random.Random) -> bytes:
    der = chance.choice(_seeds())
    if chance.random() < 0.5:
        return _mutated(der, chance)
    try:
        info = asn1_csr.CertificationRequest.load(der)["certification_request_info"]
        info["subject_pk_info"] = PublicKeyInfo.load(_public_key())
        body = info.dump(force=True)
    except Exception:  # noqa: BLE001 -- too odd for the library that puts our key in
        return _mutated(der, chance)
    body = _mutated(body, chance)
    return sequence(body, ECDSA_WITH_SHA256, bit_string(_key().sign(body, ec.ECDSA(hashes.SHA256()))))


def _mutated(der: bytes, chance: random.Random) -> bytes:
    """Change a few octets, repeat or leave out a part, or put in one of another request."""
    octets = bytearray(der)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        start = chance.randrange(len(octets) or 1)
        end = min(start + chance.choice((1, 2, 4, 16)), len(octets))
        match chance.randrange(7):
            case 0 | 1 | 2 if octets:
                octets[start] = chance.choice((chance.randrange(256), octets[start] ^ 1 << chance.randrange(8)))
            case 3:
                del octets[start:end]
            case 4:
                octets[start:start] = octets[start:end]
            case 5:
                octets[start:end] = chance.randbytes(end - start)
            case _:
                other = chance.choice(_seeds())
                place = chance.randrange(len(other))
                octets[start:end] = other[place : place + end - start]
    return bytes(octets)


@cache
def _seeds() -> list[bytes]:
    return [der for der in _decoded_seeds() if 0 < len(der) < LARGEST_SEED]


def _decoded_seeds() -> Iterator[bytes]:
    for case in csr_cases():
        body = "".join(line for line in case.field.splitlines() if not line.startswith("-----"))
        try:
            yield base64.b64decode(body, validate=True)
        except ValueError:
            continue


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0xF60C28, ec.SECP256R1())


@cache
def _public_key() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _key().public_key().public_bytes(serialization.Encoding.DER, form)


# The two ways


def _through_the_profiles(der: bytes) -> list[str]:
    """Return the outcome under each profile; raise for anything but a refusal or a certificate within the profile."""
    try:
        request = CertificationRequest.from_der(der)
    except Refusal as refusal:
        return [refusal.code]
    return [_under(profile, allowed, request, der) for profile, allowed in _profiles()]


def _under(profile: Any, allowed: dict[str, Any], request: CertificationRequest, der: bytes) -> str:
    try:
        template = profile.apply(EnrolmentRequest.of(request, "f60c28", SUBJECT))
    except Refusal as refusal:
        return refusal.code
    runner = _runner()
    draft = runner._authority.draft(template, serial=1, now=NOW, key=runner._key)
    certificate = asn1.Certificate.load(draft.public_bytes(serialization.Encoding.DER))
    asked = asn1_csr.CertificationRequest.load(der)["certification_request_info"]
    judge(allowed, certificate, asked, profile.name)
    return "issued"


def _over_http(der: bytes) -> list[str]:
    """Return the status; raise for a 5xx or an answer that is no JSON object with a sentence."""
    installation, client = _server()
    body = {"passwd": "dojot", "certificate": base64.b64encode(der).decode()}
    answer = client.post("/sign/f60c28/pkcs10", json=body)
    if answer.status_code == 200:
        installation.sql("DELETE FROM certificates WHERE username = 'f60c28'")  # the same key may come again
        installation.add()
    else:
        assert 400 <= answer.status_code < 500, answer.status_code
        assert answer.json["message"]
    return [f"HTTP {answer.status_code}"]


@cache
def _profiles() -> list[tuple[Any, dict[str, Any]]]:
    paths = sorted(path for path in shipped("profiles").glob("*.yaml") if path.name != HIERARCHY_FILE)
    return [(load_profile(path), yaml.safe_load(path.read_text())) for path in paths]


@cache
def _runner() -> ProfileCases:
    return ProfileCases()


_directory = tempfile.TemporaryDirectory(prefix="midca-fuzz-")


@cache
def _server() -> tuple[Installation, Any]:
    base = Path(_directory.name)
    profiles_directory(base / "profiles", hierarchy=HIERARCHY.replace("keysize: 2048", "keytype: P-256"))
    installation = Installation(base)
    installation.add()
    return installation, create_app(installation.services).test_client()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--processes", type=int, default=cpu_count())
    given = parser.parse_args()
    started = time.monotonic()
    result = fuzz(given.count, given.seed, given.processes)
    print(f"seed {given.seed}: {given.count} mutants in {time.monotonic() - started:.0f} s")  # noqa: T201
    for outcome, number in result.outcomes.most_common():
        print(f"{number:10} {outcome}")  # noqa: T201
    for finding in result.findings:
        print(finding)  # noqa: T201
    sys.exit(1 if result.findings else 0)


if __name__ == "__main__":
    main()
