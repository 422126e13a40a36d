"""Owns HTTP/1.1 messages of the usual form, which are written and read without h11, in a tenth of its time.

A message of any other form is None here, and h11 decides: whether it is valid, and how long it is. So nothing is accepted that
h11 would not accept.
"""

import re
from typing import Final, NamedTuple

from tracker.http.transport import Headers, SentRequest

MOST_HEAD: Final = 100 * 1024
"""Bytes of the head of an answer."""

_TOKEN: Final = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*"
_request_line: Final = re.compile(rb"[A-Z]+ [\x21-\x7e]+").fullmatch
_header_lines: Final = re.compile(rb"(?:" + _TOKEN + rb": (?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?\r\n)*").fullmatch
_answer: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: " + _VALUE + rb")?\r\n((?:" + _TOKEN + rb":" + _VALUE + rb"\r\n)*)\r\n"
).match
_length: Final = re.compile(rb"[0-9]{1,15}").fullmatch

_DECIDES_LENGTH: Final = frozenset((b"transfer-encoding", b"connection", b"upgrade", b"expect"))
_WITHOUT_BODY: Final = frozenset((204, 304))


class Head(NamedTuple):
    """The head of an answer: names of headers are in lower case, and its body begins `at` and has `length` bytes."""

    status: int
    headers: Headers
    at: int
    length: int


def request_bytes(request: SentRequest) -> bytes | None:
    """A request with the body whose length its headers say, and on a connection that is kept."""
    length = b"0"
    for name, value in request.headers:
        if name.lower() in _DECIDES_LENGTH:
            return None
        length = value if name.lower() == b"content-length" else length
    line = request.method.encode() + b" " + request.url.raw_path
    headers = b"".join([b"%b: %b\r\n" % header for header in request.headers])
    if length != str(len(request.content)).encode() or not _request_line(line) or not _header_lines(headers):
        return None
    if headers.count(b"\n") != len(request.headers):  # a value that has lines of its own
        return None
    return b"%b HTTP/1.1\r\n%b\r\n%b" % (line, headers, request.content)


def answer_head(data: bytes) -> Head | None:
    """The head that `data` begins with, of an answer with a known length on a connection that is kept."""
    found = _answer(data)
    if not found or found.end() > MOST_HEAD or (status := int(found[1])) in _WITHOUT_BODY:
        return None
    headers = [_header(line) for line in found[2].split(b"\r\n")[:-1]]
    lengths = [value for name, value in headers if name == b"content-length"]
    if len(lengths) != 1 or not _length(lengths[0]) or not all(map(_keeps_length, headers)):
        return None
    return Head(status, headers, found.end(), int(lengths[0]))


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def _keeps_length(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name not in _DECIDES_LENGTH or (name == b"connection" and value.lower() == b"keep-alive")
