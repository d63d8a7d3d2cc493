import pytest

from app.errors import ConfigurationError
from app.settings import Settings


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ("http://ca.example.org:5583/", ("http://ca.example.org:5583",)),
        (
            "https://ca.example/sub%20path, http://[2001:db8::1]:80",
            ("https://ca.example/sub%20path", "http://[2001:db8::1]:80"),
        ),
        ("", ()),
    ],
)
def test_public_urls_are_taken_without_a_slash_at_their_end(given, urls):
    assert Settings.from_environment({"MIDCA_PUBLIC_URL": given}).public_urls == urls


@pytest.mark.parametrize(
    "url",
    [
        "ftp://ca",
        "ca.example.org",
        "http://",
        "http://ca/%zz",
        "http://ca/[x",
        "http://ca/..",
        "http://x:",
        "http://x:99999",
        "http://a@ca",
        "http://ca?x=1",
        "http://ca#x",
        "http://ca//x",
        "http://c\u00e4",
        "http://ca x",
    ],
)
def test_a_url_that_must_not_get_into_certificates_stops_the_start(url):
    with pytest.raises(ConfigurationError, match="MIDCA_PUBLIC_URL"):
        Settings.from_environment({"MIDCA_PUBLIC_URL": url})
