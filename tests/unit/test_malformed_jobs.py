"""Whatever the API sends is read or refused in words, and a bad job costs only itself."""

import json

import msgspec
import pytest
from core_samples import ABSENT, ANSWER, answer, body, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.jobs.job import Job, Malformed, MalformedJob, Page
from tracker.core.jobs.job_reading import parse_job, parse_page, read_job

ID = ANSWER["id"]

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.integers(-(10**320), 10**320), st.floats(), st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(ANSWER)), inner),
    max_leaves=30,
)
nearly_jobs = st.fixed_dictionaries({name: st.just(value) | anything for name, value in ANSWER.items()})


def bytes_of(value):
    """JSON as lenient writers make it: NaN, infinities and lone surrogates as they are."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("changed", "id_", "reason"),
    [
        ({"id": ABSENT}, None, "Object missing required field `id`"),
        ({"id": None}, None, "Expected `str`, got `null` - at `$.id`, found None"),
        ({"id": ""}, None, "Expected `str` of length >= 1 - at `$.id`, found ''"),
        ({"id": 7}, None, "Expected `str`, got `int` - at `$.id`, found 7"),
        ({"id": "x" * 257}, None, f"Expected `str` of length <= 256 - at `$.id`, found '{'x' * 59}"),
        ({"status": ABSENT}, ID, "Object missing required field `status`"),
        ({"status": None}, ID, "Expected `str`, got `null` - at `$.status`, found None"),
        ({"status": ""}, ID, "Expected `str` of length >= 1 - at `$.status`, found ''"),
        ({"status": "x" * 257}, ID, f"Expected `str` of length <= 256 - at `$.status`, found '{'x' * 59}"),
        ({"status": ["SUCCESS"]}, ID, "Expected `str`, got `array` - at `$.status`, found ['SUCCESS']"),
    ],
)
def test_a_job_that_lacks_what_a_tracker_needs(changed, id_, reason):
    """Without a usable id or status there is no job: it is named, and what was found is said."""
    assert parse_job(body(**changed)) == MalformedJob(id_, reason)


@pytest.mark.parametrize(
    "name", ["created_at", "total_requests", "completed_requests", "succeeded_requests", "failed_requests"]
)
@pytest.mark.parametrize("value", [0, 1, 253_402_300_799])
def test_zero_and_the_largest_are_numbers_like_any_other(name, value):
    """The bounds of times and counters are inside."""
    assert getattr(parse_job(body(**{name: value})), name) == value


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, "null"), ([], "a list"), ("job", "a string"), (7, "a number"), (1.5, "a number"), (True, "a boolean")],
)
def test_a_job_that_is_no_object(value, found):
    """Anything but an object is no job, alone and on a page."""
    malformed = MalformedJob(None, f"expected an object, found {found}")
    assert parse_job(bytes_of(value)) == malformed
    assert parse_page(bytes_of({"data": [value], "total": 1})) == Page((), (malformed,), 1)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"[]", "expected an object with `data` and `total`, found a list"),
        (b"null", "expected an object with `data` and `total`, found null"),
        (b'"data"', "expected an object with `data` and `total`, found a string"),
        (b"{}", "expected an object with `data` and `total`, found neither"),
        (b'{"data": null, "total": null}', "expected an object with `data` and `total`, found neither"),
        (b'{"total": "7"}', "expected an object with `data` and `total`, found neither"),
        (b'{"message": "Unauthorized"}', "expected an object with `data` and `total`, found neither"),
        (b'{"data": {}, "total": 0}', "expected `data` to be a list of jobs, found an object"),
        (b'{"data": false}', "expected `data` to be a list of jobs, found a boolean"),
        (b"", "expected JSON, found 0 bytes that are not: Expecting value: line 1 column 1 (char 0)"),
        (b"<html></html>", "expected JSON, found 13 bytes that are not: Expecting value: line 1 column 1 (char 0)"),
        (b'{"data":[', "expected JSON, found 9 bytes that are not: Expecting value: line 1 column 10 (char 9)"),
        (b'{"total":1', "expected JSON, found 10 bytes that are not: Expecting ',' delimiter: line 1 column 11 (char 10)"),
        (b'{"total":1}\n{}', "expected JSON, found 14 bytes that are not: Extra data: line 2 column 1 (char 12)"),
        (b"\x1f\x8b\x08", "expected JSON, found 3 bytes that are not: Expecting value: line 1 column 1 (char 0)"),
        (b"[" * 100_000, "expected JSON, found 100000 bytes that are not: nested too deeply"),
    ],
)
def test_a_page_that_is_none(sent, reason):
    """An answer that is no page is refused whole, and the reason says what was found."""
    assert parse_page(sent) == Malformed(reason)


@pytest.mark.parametrize("sent", [b"", b"<html></html>", body()[:-1], b"[" * 100_000, b'{"x":' * 100_000])
def test_a_job_that_is_not_json(sent):
    """The answer to a get is refused in the words in which a page is."""
    read = parse_job(sent)
    assert read == MalformedJob(None, parse_page(sent).reason)
    assert read.reason.startswith(f"expected JSON, found {len(sent)} bytes that are not: ")


@pytest.mark.parametrize(
    ("sent", "total"),
    [
        (b'{"data": [], "total": 0}', 0),
        (b'{"data": null, "total": 3}', 3),
        (b'{"total": 3}', 3),
        (b'{"data": null, "total": 3, "took": NaN}', 3),
        (b'{"total": 3, "took": NaN}', 3),
        (b'{"data": [], "total": 3, "object": "list", "has_more": [1]}', 3),
        (b'{"data": []}', None),
        (b'{"data": [], "total": null}', None),
        (b'{"data": [], "total": -1}', None),
        (b'{"data": [], "total": "3"}', None),
        (b'{"data": [], "total": 1e999}', None),
        (b'{"data": [], "total": NaN}', None),
    ],
)
def test_an_empty_page(sent, total):
    """A page may lack its data when it says its total, and its total when it has data; a total that is none is not believed."""
    assert parse_page(sent) == Page((), (), total)


@pytest.mark.parametrize("value", ["{}", "[]", "0", '""', "null"])
def test_too_much_is_not_read(value):
    """An answer of more values than a page of jobs can have is refused unread, and so are more jobs than a page has."""
    sent = b'{"total": 1, "data": [%s]}' % ",".join([value] * 250_001).encode()
    assert parse_page(sent) == Malformed("expected at most 250000 values, found more")
    assert parse_job(sent) == MalformedJob(None, "expected at most 250000 values, found more")
    some = b'{"total": 1, "data": [%s]}' % ",".join([value] * 1001).encode()
    assert parse_page(some) == Malformed("expected at most 1000 jobs, found 1001")
    assert len(parse_page(some.replace(value.encode() + b",", b"", 1))) == 1000


def test_a_bad_job_costs_only_itself():
    """Of a page with jobs good, bad, unusual and absurd the good and the unusual are read, in order, and all are counted."""
    sent = [answer(id="a"), answer(id="b", status=None), answer(id="c", new=1), 5, answer(id="d", model=None), {}]
    page = parse_page(bytes_of({"data": sent, "total": 6}))
    assert page.jobs == (job(id="a"), job(id="c", new=1), job(id="d", model=None))
    assert [bad.id for bad in page.malformed] == ["b", None, None]
    assert len(page) == page.total == len(sent)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("1e999", None),
        ("-1e999", None),
        ("[1, [1e999, NaN]]", [1, [None, None]]),
        ("1e308", 1e308),
        ("[NaN, 1.5, 7, true]", [None, 1.5, 7, True]),
        ("9" * 308, int("9" * 308)),
        ("-" + "9" * 308, -int("9" * 308)),
        ("1" + "0" * 308, None),
        ("-1" + "0" * 308, None),
        ("9" * 400, None),
        ("9" * 5000, None),
        ('{"a": 1' + "0" * 308 + "}", {"a": None}),
        ('{"a": [1' + "0" * 1000 + "]}", {"a": [None]}),
        ("[NaN, -" + "9" * 308 + ", 1" + "0" * 308 + "]", [None, -int("9" * 308), None]),
        (r'"\ud800"', "\ufffd"),
        (r'"a\udfffb"', "a\ufffdb"),
        (r'"\udc00\ud800"', "\ufffd\ufffd"),
        (r'"\ud83d\udddd"', "\N{OLD KEY}"),
        (r'{"\ud800": ["\ud800"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
@pytest.mark.parametrize("name", ["metadata", "errors", "unknown"])
def test_what_json_readers_disagree_about_does_not_get_in(name, text, read):
    """Numbers beyond a float become null and lone surrogates U+FFFD, in known properties and in unknown ones."""
    sent = body(**{name: "HERE"}).replace(b'"HERE"', text.encode())
    assert parse_job(sent).to_data() == ANSWER | {name: read}
    assert parse_page(b'{"data": [%s], "total": 1}' % sent).jobs[0].to_data() == ANSWER | {name: read}


@pytest.mark.parametrize(
    ("name", "read"), [("model", "a\ufffd\ufffdb"), ("status", "a\ufffd\ufffdb"), ("new", "a\ufffd\ufffdb")]
)
def test_bad_utf8_is_replaced(name, read):
    """Bytes that are no UTF-8 become U+FFFD, and the rest of the job is as it came."""
    sent = body(**{name: "HERE"}).replace(b"HERE", b"a\xff\xfeb")
    assert parse_job(sent).to_data() == ANSWER | {name: read}


@pytest.mark.parametrize(
    ("name", "opening", "closing"),
    [
        ("metadata", '{"a":', "}"),
        ("outputs", '{"a":', "}"),
        ("outputs", "[", "]"),
        ("outputs", '[{"a":', "}]"),
        ("unknown", '{"a":', "}"),
        ("unknown", "[", "]"),
    ],
)
@pytest.mark.parametrize("levels", [2, 64, 65, 66, 100, 900])
def test_nesting_ends_at_the_deepest_level(name, opening, closing, levels):
    """Up to 64 levels of lists and objects are kept as they came, and null stands for what lies deeper."""

    def nested(levels, innermost):
        return opening * (levels // len(closing)) + innermost + closing * (levels // len(closing))

    levels += levels % len(closing)
    sent = body(**{name: "HERE"}).replace(b'"HERE"', nested(levels, "7").encode())
    kept = json.loads(nested(min(levels, 64), "7" if levels <= 64 else "null"))
    assert parse_job(sent).to_data() == ANSWER | {name: kept}
    assert parse_page(b'{"data": [%s], "total": 1}' % sent).jobs == (parse_job(sent),)


def test_our_own_name_for_what_is_unknown_is_unknown():
    """A property that has the name under which we keep unknown ones is one of them, also where its name is escaped."""
    for name in (b"(other)", rb"\u0028other)"):
        sent = body(new={"a": 1}).replace(b'"new"', b'"%s"' % name)
        assert parse_page(b'{"data": [%s], "total": 1}' % sent).jobs[0].to_data() == ANSWER | {"(other)": {"a": 1}}


def is_sound(read):
    """A job that was read can be written as strict JSON, and is the same when it is read again."""
    data = read.to_data()
    return parse_job(json.dumps(data, allow_nan=False).encode()) == read == parse_job(msgspec.json.encode(data))


@given(value=anything | nearly_jobs)
def test_any_json_value_is_read_or_refused(value):
    """Whatever JSON comes where a job or a page should, it is a value of the promised types, and what was read is sound."""
    single, page = parse_job(bytes_of(value)), parse_page(bytes_of({"data": [value, value], "total": 2}))
    assert isinstance(parse_page(bytes_of(value)), Page | Malformed)
    assert isinstance(single, MalformedJob) or is_sound(single)
    assert page.jobs + page.malformed == (single, single)
    assert isinstance(read_job(value), Job | MalformedJob)


@pytest.mark.slow
@given(value=nearly_jobs, cut=st.integers(0, 2000), noise=st.binary(max_size=3))
def test_any_bytes_are_read_or_refused(value, cut, noise):
    """Truncated and garbled answers never raise either."""
    sent = bytes_of({"data": [value], "total": 1})
    sent = sent[:cut] + noise + sent[cut:] if noise else sent[:cut]
    assert isinstance(parse_page(sent), Page | Malformed)
    assert isinstance(parse_job(sent), Job | MalformedJob)
