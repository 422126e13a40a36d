"""Times of APIs as RFC 3339 has them: whole Unix seconds."""

import pytest

from tracker.providers.requests.rfc3339 import unix_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-09-01T04:13:24Z", 1756700004),
        ("2025-09-01T04:13:24.999999Z", 1756700004),
        ("2025-09-01T04:13:24.263450184Z", 1756700004),
        ("2025-09-01T06:13:24+02:00", 1756700004),
        ("2025-09-01T04:13:24", 1756700004),
        ("1969-12-31T23:59:59.5Z", -1),
        ("yesterday", None),
        ("", None),
        (1756700004, None),
        (None, None),
    ],
)
def test_a_time_is_the_second_that_had_begun(text, seconds):
    """Fractions of any length are cut, offsets count, no offset is UTC, and anything else is unknown."""
    assert unix_seconds(text) == seconds
