"""When a request is whole, held against the parser that reads it then."""

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser

from app.http_server.arriving_request import MAX_HEAD, ArrivingRequest

MAX_BODY = 1000
POST = b"POST /x HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "no body": b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "no header": b"GET /x HTTP/1.1\r\n\r\n",
    "empty line first": b"\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "old": b"GET /x HTTP/1.0\r\n\r\n",
    "empty body": POST + b"Content-Length: 0\r\n\r\n",
    "body": POST + b"Content-Length: 5\r\n\r\n12345",
    "longest body": POST + b"Content-Length: 1000\r\n\r\n" + b"x" * MAX_BODY,
    "blanks and case": POST + b"cOnTeNt-lEnGtH:  \t 5 \t\r\n\r\n\r\n\r\n1",
    "leading zeros": POST + b"Content-Length: 0005\r\n\r\n12345",
    "chunks": CHUNKED + b"5\r\n12345\r\n0001\r\n6\r\n0\r\n\r\n",
    "chunks that hold what looks like an end": CHUNKED + b"7\r\n0\r\n\r\n12\r\n0\r\n\r\n",
    "chunk extensions": CHUNKED + b'5;a=b;c="d"\r\n12345\r\n0;x\r\n\r\n',
    "trailers": CHUNKED + b"5\r\n12345\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n",
    "two codings in one line": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no chunk": CHUNKED + b"0\r\n\r\n",
    "chunks in capitals": POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\nA\r\n1234567890\r\n0\r\n\r\n",
}
HOPELESS = {
    "too long a body": POST + b"Content-Length: 1001\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "length and coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "length that is no number": POST + b"Content-Length: +5\r\n\r\n",
    "negative length": POST + b"Content-Length: -5\r\n\r\n",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "huge length": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "chunk size that is no number": CHUNKED + b"x\r\n",
    "negative chunk size": CHUNKED + b"-1\r\n",
    "chunk size without end": CHUNKED + b"0" * 300,
    "head without end": b"GET /x HTTP/1.1\r\n" + b"X-A: b\r\n" * (MAX_HEAD // 8),
    "line without end": b"x" * (MAX_HEAD + 1),
    "trailers without end": CHUNKED + b"0\r\n" + b"X-A: b\r\n" * (MAX_HEAD // 8 + 1),
    "chunks without end": CHUNKED + b"5\r\n12345\r\n" * (MAX_BODY // 5 + 1),
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunked, and then something else": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
}


def parsed(octets: bytes) -> tuple[bytes, bytes]:
    """Return the body and the rest as gunicorn reads them from memory."""
    parser = RequestParser(Config(), [octets], ("127.0.0.1", 1))
    return next(parser).body.read(), parser.unreader.take_buffered()


@pytest.mark.parametrize("octets", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("behind", [b"", b"GET /y HTTP/1.1\r\n\r\n"], ids=["alone", "with another"])
def test_request_is_there_with_its_last_octet_and_not_before(octets, behind):
    request = ArrivingRequest(MAX_BODY)
    for octet in octets[:-1]:
        request.add(bytes([octet]))
        assert not request.is_there
    request.add(octets[-1:] + behind)

    assert request.is_there
    assert not request.is_last
    assert request.rest == parsed(octets + behind)[1] == behind


@pytest.mark.parametrize("octets", WHOLE.values(), ids=WHOLE)
def test_it_does_not_matter_in_which_pieces_it_comes(octets):
    for size in (2, 3, 7, 64, len(octets)):
        request = ArrivingRequest(MAX_BODY)
        for at in range(0, len(octets), size):
            assert not request.is_there
            request.add(octets[at : at + size])
        assert request.is_there


@pytest.mark.parametrize("octets", HOPELESS.values(), ids=HOPELESS)
def test_what_no_more_octets_can_make_good_is_not_waited_for_and_is_the_last(octets):
    request = ArrivingRequest(MAX_BODY, octets)

    assert request.is_there
    assert request.is_last


@pytest.mark.parametrize(
    "octets",
    [
        CHUNKED + b"2\r\n{}XX0\r\n\r\n",
        POST + b"Content-Length : 5\r\n\r\n",
        POST + b"X: y\r\n Content-Length: 5\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\r\n\r\n",
    ],
    ids=ascii,
)
def test_what_counts_as_there_and_is_no_http_is_refused_by_the_parser_that_gets_it(octets):
    assert ArrivingRequest(MAX_BODY, octets).is_there
    with pytest.raises(ParseException):
        parsed(octets)


def test_half_a_request_is_the_last_when_no_more_will_come():
    request = ArrivingRequest(MAX_BODY, POST)
    request.end()

    assert request.is_there
    assert request.is_last
    with pytest.raises(NoMoreData):
        parsed(bytes(request.octets))


@pytest.mark.parametrize(
    ("head", "wants"),
    [
        (POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", True),
        (POST + b"expect:100-Continue \r\nContent-Length: 5\r\n\r\n", True),
        (CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n", True),
        (POST + b"Content-Length: 5\r\n\r\n", False),
        (POST + b"Content-Length: 5\r\nExpect: money\r\n\r\n", False),
        (POST + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n", False),
        (POST + b"Expect: 100-continue\r\n\r\n", False),
    ],
    ids=ascii,
)
def test_who_waits_for_a_word_before_the_body(head, wants):
    assert ArrivingRequest(MAX_BODY, head).wants_continue is wants
