"""Keys that arithmetic alone breaks are refused; the vectors of A28 come through HTTP in tests/frontends."""

import dataclasses
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import KeyRule
from app.pki.weak_key import warm_up, weakness
from tests.builders import key
from tests.pki.profile_rules.requests import asking, refusals
from tests.vectors.cases import HERE as FOLDER
from tests.vectors.keys import rsa_key

# The public key of the certificate with id 5534506057 in the certificate transparency logs (crt.sh).
SHARED_PRIME = load_pem_public_key(b"""\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAtQS720djHoBY2eXEDsMNGi6GWY/B37TyGO6tAgQJnweAvk5ABi3A
KaOJzHQLmqpkzzh92z2FHzZpKoOiy4Eq0tt4J20zgFPiYdAG5mffTcgtMhymCXBc
AaUjuZCcyYIIDdENnaP3wTPo0FEdWozb0/4+SNJ1IhlwyQGUu77mAHgr3Q2j/GqY
0RSIbikmgV7NUpf6PA8JAlm2+lQQj9YjurMI5K9BQZPRGm84E2nSe4zT2NkaKrzO
bH+mFd5dRlzi00FXaMF06ViYiwKgW27ef1ZCD3Z0yFZ7uaNaGAnflsOUsoaMutSk
QPs0JEAVmnVkjCfpTKylM9D/B0ZjutZspQIDAQAB
-----END RSA PUBLIC KEY-----
""")
RULE = KeyRule(rsa_min_bits=2048, rsa_max_bits=8192)


def public(primes) -> rsa.RSAPublicKey:
    modulus = 1
    for prime in primes:
        modulus *= prime
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


WEAK = {
    "ROCA": public(rsa_key("2048_roca").primes),
    "Fermat": public(rsa_key("2048_close_primes").primes),
    "small prime factor": public((3, *rsa_key("2047").primes)),
    "shares a prime": SHARED_PRIME,
}


@pytest.mark.parametrize("told", WEAK)
def test_weak_key_is_refused_with_its_weakness(told):
    """A28."""
    (reason,) = refusals(RULE, asking(public_key=WEAK[told]))

    assert told in reason


KNOWN = sorted([*FOLDER.glob("csr/ed25519_small_order_*"), *FOLDER.glob("csr/ec_*_generator_times_*")])


@pytest.mark.parametrize("vector", KNOWN, ids=lambda path: path.stem)
def test_key_whose_private_half_everybody_knows_is_refused_though_it_proves_possession(vector):
    """A28: as points of small order one constant signature is good for every message."""
    request = CertificationRequest.from_text(vector.read_text())
    rule = KeyRule(curves=tuple(KeyRule.CURVES), ed25519=True)

    (reason,) = refusals(rule, EnrolmentRequest.of(request, "device1", request.requested_subject))

    assert "small order" in reason or "multiples of the curve's generator" in reason
    assert not refusals(dataclasses.replace(rule, refuse_weak=False), asking(public_key=request.public_key))


def test_there_are_vectors_of_every_encoding_and_curve():
    assert len(list(FOLDER.glob("csr/ed25519_small_order_*"))) == 14
    assert len(list(FOLDER.glob("csr/ec_*_generator_times_*"))) == 12


@pytest.mark.parametrize("told", WEAK)
def test_profile_may_switch_the_look_off(told):
    assert not refusals(dataclasses.replace(RULE, refuse_weak=False), asking(public_key=WEAK[told]))


def test_exponent_as_long_as_the_modulus_is_refused():
    """A28: where the private exponent is small, the public one is that long."""
    numbers = key().public_key().public_numbers()
    huge = rsa.RSAPublicNumbers((1 << 2040) + 1, numbers.n).public_key()

    assert "longer than 256 bits" in refusals(RULE, asking(public_key=huge))[0]


def test_good_keys_have_no_weakness():
    assert weakness(key().public_key()) is None
    assert weakness(ec.generate_private_key(ec.SECP256R1()).public_key()) is None
    assert weakness(ed25519.Ed25519PrivateKey.generate().public_key()) is None


def test_look_at_a_key_costs_little():
    """About 2 ms of the processor for 2048 bits; a search for factors would take seconds."""
    warm_up()
    public_key = key().public_key()
    started = time.process_time()
    for _ in range(20):
        weakness(public_key)

    assert (time.process_time() - started) / 20 < 0.1
