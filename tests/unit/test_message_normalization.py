"""Messages of failed requests, normalized so that equal failures are one group."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.results.message_normalization import LONGEST_MESSAGE, normalize_message


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        pytest.param("Rate limit: 12 of 1,000.5 requests", "Rate limit: # of # requests", id="numbers"),
        pytest.param("gpt4 and 30s and 0x7f", "gpt# and #s and #x#f", id="numbers-in-words"),
        pytest.param("job 3f2a1b9c-1234-4abc-9def-0123456789ab ended", "job <id> ended", id="uuid"),
        pytest.param("batch-cd0da3ab-17 and deadbeef01", "batch-<id>-# and <id>", id="hexadecimal"),
        pytest.param("request req_8Fj2kLm9QwErTy12 failed", "request <id> failed", id="random-with-prefix"),
        pytest.param("deadbeef cafe decade facade", "deadbeef cafe decade facade", id="words-of-hexadecimal-letters"),
        pytest.param("mistral-small-2409 is unknown", "mistral-small-# is unknown", id="model"),
        pytest.param("\"a\" 'b' `c` “d” «e»", '"…" "…" "…" "…" "…"', id="quotes"),
        pytest.param("the user's and don't", "the user's and don't", id="apostrophes"),
        pytest.param("user's key 'x' isn't", "user's key \"…\" isn't", id="apostrophes-and-quotes"),
        pytest.param("it's the users' fault", "it's the users' fault", id="apostrophes-around-words"),
        pytest.param('unclosed "text', 'unclosed "text', id="unclosed"),
        pytest.param("a\n  b\x1b[31m\u202ec\x00", "a b[#mc", id="one-line"),
        pytest.param("a \x00 b", "a b", id="single-spaces"),
        pytest.param("", "", id="empty"),
    ],
)
def test_numbers_ids_and_quotes_are_replaced(text, normalized):
    """What differs from request to request is replaced; words stay."""
    assert normalize_message(text) == normalized


@given(st.text(max_size=300))
def test_normalized_message_is_a_short_printable_line(text):
    """Whatever the message, what is left is one printable line of bounded length, in characters and in bytes of JSON."""
    found = normalize_message(text)
    assert found.isprintable()
    assert len(found) <= LONGEST_MESSAGE
    assert len(msgspec.json.encode(found)) <= LONGEST_MESSAGE * 1.5


@given(st.integers(min_value=0, max_value=10**9), st.uuids(), st.from_regex(r"[a-z ]{0,10}", fullmatch=True))
def test_messages_that_differ_in_values_are_one(number, uuid, word):
    """The same failure with another number, id or quoted text normalizes to the same message."""
    message = "request {} took {} tokens of '{}'"
    assert normalize_message(message.format(uuid, number, word)) == 'request <id> took # tokens of "…"'


@pytest.mark.parametrize(
    "text",
    ["a", "1", "'", "' ", "a1", "a-", "f", '"', "deadbeef ", "a_", "\u2028", "“", "é", "1f", "a1-", "a1_", "12345678-", "'a1 "],
)
def test_no_message_takes_long(text):
    """A message of any length is normalized from its beginning alone."""
    assert normalize_message(text * 1_000_000) == normalize_message(text * 10_000)
