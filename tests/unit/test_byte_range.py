"""Which bytes a request wants, by every form of its headers."""

import pytest

from tracker.web.api.byte_range import UnsatisfiableRangeError, matches, requested_range

ALL = None
BEHIND = UnsatisfiableRangeError


@pytest.mark.parametrize(
    ("header", "size", "wanted"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=2-5", 10, (2, 6)),
        ("bytes=2-", 10, (2, 10)),
        ("bytes=2-99", 10, (2, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("BYTES = 9 - 9", 10, (9, 10)),
        ("bytes=10-", 10, BEHIND),
        ("bytes=999999999999999999-", 10, BEHIND),
        ("bytes=0-", 0, BEHIND),
        ("bytes=-0", 10, BEHIND),
        ("bytes=-5", 0, ALL),
        ("bytes=5-2", 10, ALL),
        ("", 10, ALL),
        ("bytes=-", 10, ALL),
        ("bytes=0-1,3-4", 10, ALL),
        ("lines=0-1", 10, ALL),
        ("bytes=a-b", 10, ALL),
        ("bytes=\N{ARABIC-INDIC DIGIT ONE}-", 10, ALL),
        (f"bytes={'9' * 9999}-", 10, ALL),
    ],
)
def test_range(header, size, wanted):
    """One range is as RFC 9110 says; what cannot be read, or is several, is all; what begins behind the end is refused."""
    if wanted is BEHIND:
        with pytest.raises(UnsatisfiableRangeError):
            requested_range(header, size)
    else:
        assert requested_range(header, size) == wanted


@pytest.mark.parametrize(
    ("header", "has_it"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False), ('"a', False)],
)
def test_entity_tags(header, has_it):
    """A client has the file if any of its entity tags is the file's."""
    assert matches(header, '"a"') is has_it
