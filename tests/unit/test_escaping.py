"""Text and JSON made harmless for terminals, logs and line readers."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.text.escaping import escape_json, escape_json_bytes, literal, plain, plain_lines

ACTS = [chr(code) for code in range(0x7F, sys.maxunicode) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
"""What acts and is not seen, by this Python's Unicode."""

HOSTILE = "\x1b]52;c;eA==\x07\x9b31m\x7f\u202e\n::error::\r\x85\u2028\u2029\u200b\U000e0001"


def test_every_character_that_acts_is_escaped_in_json():
    """Each control, format and separator leaves JSON escaped, whatever stands beside it; the value is the same."""
    for beside in ("", "é", "模"):
        raw = json.dumps([*ACTS, beside], ensure_ascii=False)
        assert not set(escape_json(raw)) & set(ACTS)
        assert json.loads(escape_json(raw)) == [*ACTS, beside]


@given(value=st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_escaped_json_is_the_same_value_in_one_line(value):
    """Whatever a value holds, its escaped JSON decodes to it, and no reader of lines splits it."""
    raw = json.dumps(value, ensure_ascii=False)
    escaped = escape_json(raw)
    assert json.loads(escaped) == value
    assert escaped.splitlines() == [escaped]
    assert escape_json_bytes(raw.encode()).decode() == escaped


@pytest.mark.parametrize("text", ["plain", "模型-七海", "a\N{NO-BREAK SPACE}b"], ids=["ASCII", "wide", "space"])
def test_what_does_not_act_stays(text):
    """JSON of text that people read is left as it is, byte for byte."""
    raw = json.dumps([text], ensure_ascii=False)
    assert escape_json(raw) == raw
    assert escape_json_bytes(raw.encode()) == raw.encode()


def test_text_for_people_is_printable():
    """`plain` and `literal` give one printable line; `plain_lines` keeps line feeds and nothing else."""
    assert plain(HOSTILE).isprintable()
    assert len(plain(HOSTILE)) == len(HOSTILE)
    assert literal(HOSTILE).isprintable()
    assert literal("\x1b\n\u2028") == "\\x1b\\n\\u2028"
    assert plain_lines("one\ntwo\x1b\r\x85three") == "one\ntwo\ufffd\ufffd\ufffdthree"
    assert (plain("as it is"), literal("as it is"), plain(7)) == ("as it is", "as it is", "7")
