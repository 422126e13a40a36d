"""A page whose jobs have properties that the schema lacks is read alike by the decoder that has learned them."""

import json

import pytest
from core_samples import job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.jobs.job_reading import parse_page
from tracker.core.jobs.new_properties import MOST_NAMES, NewProperties

JOB = job()
DATA = JOB.to_data()


def page(*extras):
    return json.dumps({"total": len(extras), "data": [DATA | extra for extra in extras]}).encode()


def learned(*extras):
    new = NewProperties()
    parse_page(page(*extras), new)
    return new


def test_it_reads_what_it_has_learned():
    """A property that it has seen is read in one pass, also where some jobs lack it."""
    new = learned({"tier": "flex"})
    jobs = new.read(page({"tier": "batch"}, {}, {"tier": None})).data
    assert [each.extra for each in jobs] == [{"tier": "batch"}, {}, {"tier": None}]
    assert [type(each) for each in jobs] == [type(JOB)] * 3
    assert jobs[1] == parse_page(page({})).jobs[0]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"tier": "flex", "other": 1}, id="another property"),
        pytest.param({"tier": {"a": {"b": 1}}}, id="nested"),
        pytest.param({"tier": 2**70}, id="beyond 64 bits"),
        pytest.param({"total_requests": "many"}, id="a counter that is none"),
    ],
)
def test_it_leaves_the_rest_to_others(extra):
    """A page with anything else is not read by it, and learned from where that helps."""
    new = learned({"tier": "flex"})
    assert new.read(page(extra)) is None
    assert parse_page(page(extra), new) == parse_page(page(extra))


def test_it_learns_more_names_but_not_without_end():
    """Names add up to a limit; behind it the decoder stays as it is."""
    new = learned({"first": 1})
    parse_page(page({"second": 2}), new)
    assert [each.extra for each in new.read(page({"second": 2, "first": 1})).data] == [{"first": 1, "second": 2}]
    many = page({f"name {number}": number for number in range(MOST_NAMES)})
    parse_page(many, new)
    assert new.read(many) is None
    assert parse_page(many, new) == parse_page(many)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
EXTRAS = st.dictionaries(st.sampled_from(["tier", "a", "b", "errors", "metadata", "status"]), VALUES, max_size=4)


@given(st.lists(st.lists(EXTRAS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_it_changes_nothing(pages):
    """Whatever it has learned from the pages before, a page is read as it is read without it."""
    new = NewProperties()
    for extras in pages:
        body = json.dumps({"total": 9, "data": [DATA | extra for extra in extras]}, ensure_ascii=False).encode()
        assert parse_page(body, new) == parse_page(body)
