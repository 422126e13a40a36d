"""Whatever others write into a job, Slack gets a message that it takes, in which nothing is alive."""

import json

import pytest
from core_samples import ABSENT, NOW, answer
from hypothesis import given
from hypothesis import strategies as st
from slack_rules import alive, refusal, shown

from tracker.delivery.notifiers.slack.block_limits_and_escaping import (
    fields,
    formatted_section,
    header,
    line,
    lines,
    payload,
    section,
    titled_list,
)
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.message_content import card, message, thread

HOSTILE = [
    "<!channel>",
    "<!here|you>",
    "<@U012AB3CD>",
    "<#C012AB3CD>",
    "<!date^1750861214^{date}|now>",
    "<https://example.com|click>",
    "&lt;!channel&gt;",
    "a\x00b\x1b[31mc\x7f\u202e\u200b\ud800",
    "\n\n*bold*\r\n> quote\t`code`",
    "<&>" * 100_000,
    "",
    " ",
]


def event(type_="batch.completed", changes=None, **data):
    return {
        "id": "evt_1",
        "type": type_,
        "account": "default",
        "created_at": NOW // 1000,
        "changes": changes or {},
        "data": data,
    }


def all_payloads(expected):
    """Everything that Slack may be sent about an event."""
    about_another = expected | {"data": expected["data"] | {"id": "another"}}
    return [
        message(expected),
        card(expected, now_ms=NOW),
        thread([expected] * 12),
        digest([expected, about_another] * 12),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_dead_everywhere(text):
    """A mention, a link, a date, an entity, a control character, or far too much, in every place where it may stand."""
    job = answer(
        id=text or "x",
        status=text or "x",
        model=text,
        endpoint=text,
        metadata={text: text, "other": [text]},
        errors=[{"message": text, "count": 1}, text],
    )
    changes = {"status": [text, text], text: [text, {text: text}]}
    group = {"status": 429, "code": text, "message": text, "count": 2, "custom_ids": [text], "sample": text}
    results = {
        "digest": {"groups": [group], "groups_omitted": 0, "job_errors": [text], "mismatch": text},
        "files": [{"kind": text, "lines": 1}, {"kind": text, "reason": text}],
    }
    for type_ in ("batch.completed", "batch.updated", "batch.unrecognized", "batch.archived", text, f"batch.{text}"):
        for sent in all_payloads(event(type_, changes, **job) | results):
            assert refusal(sent) is None
            assert alive(sent) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_detail_is_dead_too(text):
    """What a server said of an account or a receiver is text and no more."""
    for type_ in ("account.unreachable", "receiver.failing"):
        sent = message(event(type_, account=text, receiver=text, reason=text, detail=text, since=text))
        assert refusal(sent) is None
        assert alive(sent) == []


def test_slack_is_instructed_to_format_nothing():
    """No link is unfurled, no name linked, no formatting read: of every payload, and of every text in it."""
    for sent in all_payloads(event(**answer())):
        asked = {name: sent[name] for name in ("unfurl_links", "unfurl_media", "link_names", "mrkdwn", "parse")}
        assert asked == {"unfurl_links": False, "unfurl_media": False, "link_names": False, "mrkdwn": False, "parse": "none"}
        for text in texts_of(sent["blocks"]):
            assert text["emoji"] is False if text["type"] == "plain_text" else text["verbatim"] is True


def texts_of(value):
    """Every text object."""
    if isinstance(value, dict):
        own = [value] if value.get("type") in ("plain_text", "mrkdwn") else []
        return own + [text for part in value.values() for text in texts_of(part)]
    return [text for part in value for text in texts_of(part)] if isinstance(value, list) else []


def test_what_others_wrote_is_never_formatted():
    """A star or a backtick of others is in plain text alone, where it is a star or a backtick."""
    expected = event(**answer(model="*m*", endpoint="`e`", metadata={"_k_": "~v~"}, errors=[{"message": "*e*"}]))
    for sent in all_payloads(expected):
        formatted = [text["text"] for text in texts_of(sent["blocks"]) if text["type"] == "mrkdwn"]
        assert not [text for text in formatted if any(each in text for each in ("*m*", "`", "_k_", "~", "*e*"))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
COUNT = st.integers(0, 2**53 - 1)
JOBS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=40),
        "status": st.sampled_from(["QUEUED", "RUNNING", "SUCCESS", "FAILED", "<odd>"]),
        "created_at": st.integers(0, 253_402_300_799),
        "total_requests": COUNT,
        "completed_requests": COUNT,
        "succeeded_requests": COUNT,
        "failed_requests": COUNT,
    },
    optional=dict.fromkeys(
        ("model", "endpoint", "metadata", "errors", "started_at", "completed_at", "output_file", "new"), JSON
    ),
)


@given(
    JOBS,
    st.sampled_from(["batch.created", "batch.completed", "batch.updated"]),
    st.dictionaries(st.text(), st.tuples(JSON, JSON)),
)
def test_any_job_makes_messages_that_slack_takes(job, type_, changes):
    """Whatever a job is made of, rendering it neither fails nor makes anything that Slack would refuse or bring to life."""
    for sent in all_payloads(event(type_, {name: list(change) for name, change in changes.items()}, **job)):
        assert refusal(json.loads(json.dumps(sent))) is None
        assert alive(sent) == []


@pytest.mark.parametrize("data", [{}, answer(id=ABSENT), answer(status=None), {"id": 7, "status": None}])
def test_what_is_no_job_is_reported_all_the_same(data):
    """An event whose data is no job is a message with what there is."""
    expected = event(**data)
    assert [
        refusal(sent) for sent in (message(expected), thread([expected]), digest([expected, expected | {"account": "b"}]))
    ] == [None] * 3
    assert message(expected)["text"].startswith("Event batch.completed")


@pytest.mark.parametrize(
    ("value", "limit", "written"),
    [
        ("plain", 250, "plain"),
        ("R&D <x>", 250, "R&amp;D &lt;x&gt;"),
        (" a \n\t b\u2028c ", 250, "a b c"),
        ("", 250, "-"),
        ("\x00\u200b", 250, "-"),
        (None, 250, "null"),
        ({"a": [1, "é"]}, 250, '{"a": [1, "é"]}'),
        ("x" * 11, 10, "x" * 9 + "…"),
        ("x" * 10, 10, "x" * 10),
        ("<<<", 10, "&lt;&lt;…"),
        ("<<<", 12, "&lt;&lt;&lt;"),
        ("a&&&", 10, "a&amp;…"),
    ],
)
def test_a_line(value, limit, written):
    """One line, escaped, never empty, and where it is too long cut between characters, never in an entity."""
    assert line(value, limit) == written


@given(st.text(), st.integers(8, 60))
def test_a_line_is_never_too_long(text, limit):
    """A line has 1 to `limit` characters, whatever it is made of."""
    assert 1 <= len(line(text, limit)) <= limit


def test_many_lines_are_as_many_as_fit():
    """Of more than fits whole lines are kept, and the last says that there are more."""
    assert lines(["a", "b\nc"]) == "a\nb c"
    assert lines([]) == "-"
    assert lines(["aaa", "bbb", "ccc"], 10) == "aaa\nbbb\n…"
    assert len(lines(["x" * 300] * 100)) <= 3000
    assert lines(["x" * 300] * 100).endswith("\n…")


def test_limits_hold_where_there_is_more():
    """A message has no more blocks, a header no more text, and a section no more fields than Slack takes."""
    assert refusal(payload("text", [section("x")] * 60)) is None
    assert refusal(payload("text", [header("<" * 1000)])) is None
    many = list(fields(*((f"Label {n}", "&" * 5000) for n in range(23))))
    assert refusal(payload("text", many)) is None
    assert [len(each["fields"]) for each in many] == [10, 10, 10, 10, 6]
    assert refusal(payload("text", list(titled_list("Title", ["<" * 5000] * 100)))) is None
    assert list(titled_list("Title", [])) == []


def test_a_long_list_says_how_much_is_left_out():
    """Of more than ten properties of metadata the first ten are shown, and how many more there are."""
    expected = shown(message(event(**answer(metadata={f"key {n}": str(n) for n in range(1234)})))).splitlines()
    start = expected.index("*Metadata*")
    assert expected[start + 1 : start + 12] == [*(f"key {n}: {n}" for n in range(10)), "and 1,224 more"]


@pytest.mark.parametrize(
    ("text", "ending"),
    [("x" * 4000, "xx…"), ("x" * 2995 + "&amp;&amp;", "x…"), ("x" * 2990 + "<https://example.com|a>" * 9, "x…")],
)
def test_formatted_text_is_cut_outside_of_what_it_means(text, ending):
    """A section that is too long ends before an entity, a link or a mention that would be cut through."""
    (section_text,) = (each["text"] for each in [formatted_section(text)["text"]])
    assert len(section_text) <= 3000
    assert section_text.endswith(ending)
