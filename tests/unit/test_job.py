"""A job is read whole and given back whole, whatever it has besides the schema."""

import json

import msgspec
import pytest
from core_samples import ABSENT, ANSWER, SCHEMA, VALIDATOR, answer, body, job
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tracker.core.jobs.job import COUNTERS, PROPERTIES, Job, Page
from tracker.core.jobs.job_reading import parse_job, parse_page, read_job

REQUIRED = ("id", "status", "created_at", *COUNTERS)
NULLABLE = tuple(name for name in ANSWER if name not in REQUIRED)
BEYOND_THE_SCHEMA = ("agent_id", "errors", "outputs")
INTEGERS = (1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**308, -(10**308))
VALUES = (
    "true",
    "null",
    "-0",
    "1.0",
    "-0.0",
    "1e2",
    "0.1",
    '""',
    '"x"',
    '"ü"',
    r'"\u00fc\ud800"',
    "{}",
    "[]",
    *map(str, INTEGERS),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**308) + 1, 10**308 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",))),
)
names = st.text(st.characters(exclude_categories=("Cs",))).filter(lambda name: name not in {*PROPERTIES, "(other)"})
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20)


def test_the_sample_is_what_the_schema_describes():
    """The answer that these tests start from has all sixteen properties of the schema and is valid by it."""
    assert list(ANSWER) == list(SCHEMA["properties"])
    assert len(ANSWER) == 16
    assert list(VALIDATOR.iter_errors(ANSWER)) == []


@pytest.mark.parametrize("name", ANSWER)
def test_every_property_of_the_schema_is_an_attribute(name):
    """Each of the sixteen properties is read into the attribute of its name."""
    value = getattr(parse_job(body()), name)
    assert (list(value) if isinstance(value, tuple) else value) == ANSWER[name]


def test_a_job_is_given_back_in_the_order_of_the_schema():
    """to_data gives all that came, the schema's properties first and in the schema's order, then the others."""
    shuffled = dict(reversed(answer(agent_id="ag_1", errors=[], outputs=None, priority="low").items()))
    data = parse_job(json.dumps(shuffled).encode()).to_data()
    assert data == shuffled
    assert list(data) == [*SCHEMA["properties"], *BEYOND_THE_SCHEMA, "priority"]


@pytest.mark.parametrize("name", NULLABLE)
def test_a_property_without_a_value_costs_nothing(name):
    """What a tracker can do without may be null or absent: it is None, except that an absent `object` is "batch"."""
    assert getattr(parse_job(body(**{name: None})), name) is None
    expected = "batch" if name == "object" else None
    without = parse_job(body(**{name: ABSENT}))
    assert getattr(without, name) == expected
    assert without.to_data() == ANSWER | {name: expected}


@pytest.mark.parametrize("name", BEYOND_THE_SCHEMA)
@pytest.mark.parametrize("value", [None, "", "ag_1", 0, [], {}, [{"message": "no such model", "count": 3}]])
def test_what_is_sent_beyond_the_schema_is_kept_as_it_came(name, value):
    """agent_id, errors and outputs may be anything, and null differs from absent."""
    sent = parse_job(body(**{name: value}))
    assert getattr(sent, name) == value
    assert sent.to_data() == ANSWER | {name: value}


@pytest.mark.parametrize("name", BEYOND_THE_SCHEMA)
def test_what_was_not_sent_beyond_the_schema_is_not_made_up(name):
    """An absent agent_id, errors or outputs stays absent in what is given back."""
    read = parse_job(body())
    assert getattr(read, name) is UNSET
    assert name not in read.to_data()


@pytest.mark.parametrize(
    "value",
    [None, False, 0, -1, 2**70, -(2**70), 1.5, 1e308, "", "low", "ключ 🗝", [], {}, [1, [2, [None]]], {"a": {"b": [True]}}],
)
@pytest.mark.parametrize("name", ["priority", "", "schlüssel", "extra", "ids", "Status"])
def test_an_unknown_property_is_kept(name, value):
    """An unknown property is in `extra` and in to_data as it came, whatever its name and value."""
    read = parse_job(body(**{name: value}))
    assert read.extra == {name: value}
    assert read.to_data() == ANSWER | {name: value}


@pytest.mark.parametrize("value", [None, 1, [], {"(other)": {"a": 1}}, {"id": "x"}])
def test_our_own_name_for_the_unknown_is_a_name_like_any_other(value):
    """An answer that happens to use the name under which a Job encodes `extra` cannot slip in properties that way."""
    read = parse_job(body(**{"(other)": value}))
    assert read.extra == {"(other)": value}
    assert read.to_data() == ANSWER | {"(other)": value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("object", 5),
        ("input_files", "file"),
        ("input_files", [None]),
        ("input_files", ["a", 1]),
        ("endpoint", []),
        ("model", 7),
        ("model", {"name": "mistral-small"}),
        ("output_file", ["a"]),
        ("error_file", False),
        ("started_at", "2025-06-25T14:20:10Z"),
        ("started_at", -1),
        ("completed_at", 1750861210.5),
        ("completed_at", 253_402_300_800),
        ("metadata", "team=research"),
        ("metadata", [["team", "research"]]),
    ],
)
def test_an_optional_property_of_another_type_costs_only_itself(name, value):
    """The job is read, the property counts as absent, and to_data gives it back as it came."""
    read = parse_job(body(**{name: value}))
    assert getattr(read, name) == ("batch" if name == "object" else None)
    assert read.extra == {name: value}
    assert read.to_data() == ANSWER | {name: value}


@pytest.mark.parametrize(
    "status", [*SCHEMA["properties"]["status"]["enum"], "PAUSED", "success", "running ", "ÉCHEC", "x" * 256]
)
def test_the_set_of_statuses_is_open(status):
    """Any text is a status, and it is kept to the letter."""
    assert parse_job(body(status=status)).status == status


@pytest.mark.parametrize("value", [{"team": 5}, {"a": {"b": None}}, {"": ""}, {"ключ": ["значение"]}, {}])
def test_metadata_is_kept_whatever_its_values(value):
    """Metadata need not be the map of strings that the schema promises."""
    assert parse_job(body(metadata=value)).metadata == value


@pytest.mark.parametrize("changed", [{}, {"x": 1}, {"model": 5}, {"metadata": None}, {"errors": ["a"], "status": "PAUSED"}])
def test_both_speeds_of_reading_agree(changed):
    """The one-pass reading, the lenient one and that of a page give the same job."""
    read = read_job(answer(**changed))
    assert isinstance(read, Job)
    assert parse_job(body(**changed)) == read
    assert parse_page(b'{"total": 1, "data": [%s]}' % body(**changed)) == Page((read,), (), 1)


@pytest.mark.parametrize("name", ["metadata", *BEYOND_THE_SCHEMA])
@pytest.mark.parametrize("lists", [0, 2, 70])
def test_all_speeds_of_reading_agree_on_values(name, lists):
    """A value is what it was, and of the type that it was, however deep it lies and whichever way it was read."""
    jobs = []
    for value in VALUES:
        text = "[" * lists + value + "]" * lists
        for nested in (text, f'{{"k": {text}}}', f'[{{"k": {text}}}]'):
            body = json.dumps(ANSWER | {name: "HERE"}).replace('"HERE"', nested)
            page = parse_page(f'{{"total": 1, "data": [{body}]}}'.encode())
            assert repr(page.jobs) == repr((read_job(json.loads(body)),))
            jobs += page.jobs
    assert len(jobs) == 3 * len(VALUES)


def test_a_job_is_a_value():
    """Two readings of the same bytes are equal, and none can be changed."""
    read = parse_job(body())
    assert read == parse_job(body())
    assert read != job(completed_requests=901)
    with pytest.raises(AttributeError):
        read.status = "SUCCESS"


@given(others=st.dictionaries(names, values), missing=st.sets(st.sampled_from(NULLABLE)))
def test_a_job_with_other_properties_survives_the_round_trip(others, missing):
    """Parse, to_data, JSON and parse again give the same job, and none of its other properties is lost or altered."""
    read = parse_job(body(**others, **dict.fromkeys(missing, ABSENT)))
    data = read.to_data()
    assert {name: data[name] for name in others} == others
    assert parse_job(json.dumps(data, allow_nan=False).encode()) == read
    assert parse_job(msgspec.json.encode(data)) == read
