import ipaddress
import time
from urllib.parse import unquote, urlsplit

import pytest
from cryptography import x509

from app.pki.name_pattern import Budget
from app.pki.profile_rules import AlternativeNamesRule, NameSource, NameTemplate
from tests.pki.profile_rules.requests import asking, asking_for_names, refusals, verdicts, written

DNS = x509.DNSName("f60c28.devices.example")
IP = x509.IPAddress(ipaddress.ip_address("10.1.2.3"))
URI = x509.UniformResourceIdentifier("urn:dojot:f60c28")
MAIL = x509.RFC822Name("f60c28@devices.example")


def names(rule, request):
    return [name for value in written(rule, request) for name in value]


@pytest.mark.parametrize(
    ("allowed", "name"), [("dns", DNS), ("ip", IP), ("uri", URI), ("email", MAIL)], ids=["dns", "ip", "uri", "email"]
)
def test_kind_of_name_is_taken_only_where_it_is_allowed(allowed, name):
    assert names(AlternativeNamesRule(**{allowed: True}), asking_for_names(name)) == [name]
    assert refusals(AlternativeNamesRule(), asking_for_names(name))


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (AlternativeNamesRule(dns=(r"[a-f0-9]+\.devices\.example",)), DNS, x509.DNSName("a.devices.example.evil")),
        (AlternativeNamesRule(dns=(r"devices\.example", r"[a-z0-9.]+")), DNS, x509.DNSName("DEVICES.EXAMPLE")),
        (
            AlternativeNamesRule(ip=(ipaddress.ip_network("10.0.0.0/8"),)),
            IP,
            x509.IPAddress(ipaddress.ip_address("11.0.0.1")),
        ),
        (
            AlternativeNamesRule(ip=(ipaddress.ip_network("10.0.0.0/8"),)),
            IP,
            x509.IPAddress(ipaddress.ip_address("::1")),
        ),
        (AlternativeNamesRule(uri=("urn:dojot:[a-f0-9]+",)), URI, x509.UniformResourceIdentifier("urn:dojot:x")),
        (AlternativeNamesRule(email=(r"[a-f0-9]+@devices\.example",)), MAIL, x509.RFC822Name("a@b.example")),
    ],
    ids=["anchored", "second pattern", "network", "other family", "uri", "email"],
)
def test_name_must_match_one_of_the_patterns_or_networks(rule, good, bad):
    assert not refusals(rule, asking_for_names(good))
    assert refusals(rule, asking_for_names(bad))


@pytest.mark.parametrize(
    "name",
    [
        x509.UniformResourceIdentifier("no-scheme"),
        x509.UniformResourceIdentifier("http://a b"),
        x509.UniformResourceIdentifier("urn:" + "a" * 300),
        x509.RFC822Name("nobody"),
        x509.RFC822Name("a@-b"),
        x509.RFC822Name("a..b@c.example"),
        x509.RFC822Name(".a@b.example"),
        x509.RFC822Name("a.@b.example"),
        x509.RFC822Name(f"{'a' * 65}@b.example"),
        x509.DNSName("192.0.2.1"),
        x509.DNSName("0x7f000001"),
        x509.DNSName("a.0X7F"),
        x509.DNSName("a.1"),
        x509.UniformResourceIdentifier("a:%zz"),
        x509.UniformResourceIdentifier("a:b%2"),
        x509.UniformResourceIdentifier("http://[::1"),
        x509.UniformResourceIdentifier("http://[a]/"),
        x509.UniformResourceIdentifier("http://a/[b]"),
        x509.UniformResourceIdentifier("http://a:port/"),
        x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
    ],
    ids=str,
)
def test_name_that_is_not_what_its_type_says_is_refused_even_where_any_is_allowed(name):
    assert refusals(AlternativeNamesRule(dns=True, ip=True, uri=True, email=True), asking_for_names(name))


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("1a.example"),
        x509.DNSName("1.0x.example"),
        x509.RFC822Name("a.b+c@d.example"),
        x509.UniformResourceIdentifier("http://[2001:db8::1]:80/a?b=c#d"),
        x509.UniformResourceIdentifier("urn:a%2Fb"),
    ],
    ids=str,
)
def test_name_that_only_looks_odd_is_taken(name):
    assert names(AlternativeNamesRule(dns=True, uri=True, email=True), asking_for_names(name)) == [name]


WORST = (".*.*.?.?[a-z]" + "[a-z]" * 5 + "A", ".*.*.?.?[b-z]" + "[a-z]" * 5 + "A", ".*.*.?.?[c-z]" + "[a-z]" * 5 + "A")


@pytest.mark.parametrize("drop", [False, True])
def test_names_of_a_request_together_take_no_longer_than_a_moment(drop):
    """A name is anybody's, and there may be many: each is looked at once, and all within one budget."""
    rule = AlternativeNamesRule(dns=WORST, drop=drop)
    many = [x509.DNSName(f"{number:03}.{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 50}") for number in range(99)]
    request = asking_for_names(*many)
    started = time.process_time()

    assert "too many names to compare" in refusals(rule, request)[0]
    assert time.process_time() - started < 10
    usual = AlternativeNamesRule(dns=(r"[a-z0-9-]+\.[a-z0-9-]+\.devices\.example",))
    assert not refusals(usual, asking_for_names(*(x509.DNSName(f"a.{number}.devices.example") for number in range(99))))


def test_each_name_is_held_against_a_pattern_once(monkeypatch):
    seen = []
    monkeypatch.setattr(Budget, "matches", lambda _, __, name: bool(seen.append(name)) or True)
    rule = AlternativeNamesRule(dns=("[a-z.0-9]+",), required=True)
    request = asking_for_names(DNS, x509.DNSName("once.example"))

    assert not refusals(rule, request)
    assert names(rule, request)
    assert sorted(seen) == sorted({"f60c28.devices.example", "once.example"})


def test_most_names_counts_what_is_kept_each_once():
    rule = AlternativeNamesRule(dns=True, drop=True, maximum=1)

    assert names(rule, asking_for_names(DNS, IP, URI, DNS)) == [DNS]
    assert not refusals(rule, asking_for_names(DNS, IP, URI, DNS))
    assert "not 2" in refusals(rule, asking_for_names(DNS, x509.DNSName("b.example")))[0]


@pytest.mark.parametrize(
    "username", ["evil.example/", "a@evil.example", "evil.example#", "a?b", "a b", "evil.example:1"]
)
def test_what_fills_a_uri_stays_in_its_part_and_is_never_another_host(username):
    path = AlternativeNamesRule(templates=(NameTemplate("uri", "https://a.example/x/{username}/y"),))
    host = AlternativeNamesRule(templates=(NameTemplate("uri", "https://{username}.a.example/x"),))

    (made,) = names(path, asking(username=username))
    assert urlsplit(made.value).hostname == "a.example"
    assert [unquote(part) for part in urlsplit(made.value).path.split("/")] == ["", "x", username, "y"]
    assert "is no host" in refusals(host, asking(username=username))[0]


def test_name_that_is_not_allowed_is_dropped_where_the_profile_says_so():
    rule = AlternativeNamesRule(dns=True, drop=True)

    assert verdicts(rule, asking_for_names(DNS, IP)) == ["kept", "dropped"]
    assert names(rule, asking_for_names(DNS, IP)) == [DNS]


def test_required_name_that_is_missing_or_dropped_refuses():
    rule = AlternativeNamesRule(dns=True, drop=True, required=True)

    assert not refusals(rule, asking_for_names(DNS))
    assert "required" in refusals(rule, asking())[0]
    assert "required" in refusals(rule, asking_for_names(IP))[0]


def test_template_writes_names_of_the_end_entity_beside_the_requests():
    rule = AlternativeNamesRule(
        dns=True, templates=(NameTemplate("dns", "{username}.example"), NameTemplate("uri", "urn:dojot:{common_name}"))
    )

    assert names(rule, asking(subject="CN=unit 7"))[-1] == x509.UniformResourceIdentifier("urn:dojot:unit%207")
    assert names(rule, asking())[-1] == URI


def test_name_that_is_asked_for_and_written_stands_there_once():
    rule = AlternativeNamesRule(dns=True, templates=(NameTemplate("dns", "{username}.devices.example"),))

    assert names(rule, asking_for_names(DNS)) == [DNS]


@pytest.mark.parametrize("username", ["a b", "x,DNS:evil", "{common_name}", "*", "a" * 64, "a\nb"])
def test_username_that_makes_no_host_name_is_refused_and_never_read_as_syntax(username):
    rule = AlternativeNamesRule(templates=(NameTemplate("dns", "{username}.example"),))

    assert refusals(rule, asking(username=username))
    assert names(rule, asking(username=username)) == []


def test_written_names_count_towards_the_most():
    rule = AlternativeNamesRule(dns=True, maximum=1, templates=(NameTemplate("dns", "a.example"),))

    assert not refusals(rule, asking())
    assert "1 to 1 names, not 2" in refusals(rule, asking_for_names(DNS))[0]


def of_entity(*requested, registered=(DNS, IP)):
    return (
        asking_for_names(*requested, alternative_names=registered)
        if requested
        else asking(alternative_names=registered)
    )


def test_names_of_the_end_entity_come_first_and_none_twice():
    rule = AlternativeNamesRule(dns=True, ip=True, uri=True)

    assert names(rule, of_entity(URI, DNS)) == [DNS, IP, URI]
    assert verdicts(rule, of_entity(URI, DNS)) == ["kept", "written", "kept"]
    assert names(rule, of_entity()) == [DNS, IP]


@pytest.mark.parametrize("source", NameSource)
def test_names_of_the_end_entity_are_held_to_the_same_patterns(source):
    """A02: the same rule for names of an API and of a request."""
    rule = AlternativeNamesRule(dns=(r"[a-z]+\.example",), ip=True, source=source)

    assert any("matches none of" in reason for reason in refusals(rule, of_entity()))


def test_profile_for_names_of_the_end_entity_takes_no_others_from_the_request():
    rule = AlternativeNamesRule(dns=True, ip=True, source=NameSource.ENTITY)
    other = x509.DNSName("evil.example")

    assert names(rule, of_entity(IP)) == [DNS, IP]
    assert refusals(rule, of_entity(IP, other)) == [
        "The end entity is not registered with the subject alternative name 'evil.example'."
    ]
    assert refusals(rule, of_entity(DNS, registered=()))
    dropping = AlternativeNamesRule(dns=True, ip=True, source=NameSource.ENTITY, drop=True)
    assert names(dropping, of_entity(IP, other)) == [DNS, IP]


def test_profile_for_names_of_the_request_writes_none_that_it_does_not_bring():
    rule = AlternativeNamesRule(dns=True, ip=True, source=NameSource.REQUEST, drop=True)

    assert names(rule, of_entity(IP)) == [IP]
    assert names(rule, of_entity()) == []
    assert refusals(AlternativeNamesRule(dns=True, ip=True, source=NameSource.REQUEST), of_entity(IP))


def test_name_of_the_end_entity_is_one_where_one_is_required_and_counts_towards_the_most():
    assert names(AlternativeNamesRule(dns=True, ip=True, required=True), of_entity()) == [DNS, IP]
    assert refusals(AlternativeNamesRule(dns=True, ip=True, maximum=1), of_entity())
