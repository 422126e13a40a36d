"""A job's card shows how it stands: status, bar, counters, elapsed time, and when it may end."""

import pytest
from core_samples import ANSWER, NOW, answer
from slack_rules import alive, refusal, shown

from tracker.delivery.notifiers.slack.message_content import card

CREATED = ANSWER["created_at"]
COUNTED = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")


def card_of(job, type_="batch.progress", **more):
    """The card of a job after an event of this type."""
    return card({"type": type_, "account": "default", "changes": {}, "data": job, **more}, now_ms=NOW)


def expected(**changed):
    """The lines of the card of a job."""
    return shown(card_of(answer(**changed))).splitlines()


def after(label, lines):
    return lines[lines.index(f"*{label}*") + 1]


def test_a_card_shows_everything():
    """Verdict, bar, counters, status, elapsed, estimate, model, endpoint, files, metadata, its time and the job's id."""
    sent = card_of(answer(), eta="2025-06-25T15:20:10.000Z")
    assert refusal(sent) is None
    assert alive(sent) == []
    assert sent["text"].splitlines() == [
        "Batch running (mistral-small-latest)",
        *("Title: research · run: 7", "Account: default", "Status: RUNNING"),
        "Requests: 900 of 1,000 done, 880 succeeded, 20 failed",
        f"Job: {ANSWER['id']}",
    ]
    assert shown(sent).splitlines() == [
        "Batch running",
        "█████████████████▒░░  90 %",
        *("*Done*", "900 of 1,000", "*Succeeded*", "880", "*Failed*", "20"),
        *("*Status*", "RUNNING", "*Elapsed*", "3h 5m"),
        "Expected to end <!date^1750864810^{date_short_pretty} {time}|2025-06-25 15:20 UTC>, in 59m 56s",
        *("*Model*", "mistral-small-latest", "*Endpoint*", "/v1/chat/completions"),
        *("*Output file*", ANSWER["output_file"], "*Error file*", ANSWER["error_file"]),
        *("*Metadata*", "team: research", "run: 7"),
        "Updated <!date^1750861214^{date_short_pretty} {time}|2025-06-25 14:20 UTC>",
        ANSWER["id"],
    ]


@pytest.mark.parametrize(
    ("counters", "bar"),
    [
        ((1000, 0, 0, 0), "░░░░░░░░░░░░░░░░░░░░  0 %"),
        ((1000, 500, 500, 0), "██████████░░░░░░░░░░  50 %"),
        ((1000, 999, 999, 0), "███████████████████░  99 %"),
        ((1000, 1000, 1000, 0), "████████████████████  100 %"),
        ((1000, 1000, 999, 1), "███████████████████▒  100 %"),
        ((1000, 1, 0, 1), "▒░░░░░░░░░░░░░░░░░░░  0 %"),
        ((1000, 1000, 0, 1000), "▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  100 %"),
        ((10, 11, 11, 11), "▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  100 %"),
        ((10, 11, 11, 1), "██████████████████▒▒  100 %"),
        ((2**53 - 1, 2**53 - 2, 2**53 - 2, 0), "███████████████████░  99 %"),
    ],
)
def test_the_bar(counters, bar):
    """Twenty cells: as much as has succeeded, at least one where anything failed, and full only when all of it is done."""
    assert expected(**dict(zip(COUNTED, counters, strict=True)))[1] == bar


def test_no_bar_before_there_is_a_count():
    """A job whose requests were not counted yet has no bar, and divides nothing by zero."""
    assert expected(**dict.fromkeys(COUNTED, 0))[:3] == ["Batch running", "*Status*", "RUNNING"]


@pytest.mark.parametrize(
    ("changed", "label", "elapsed"),
    [
        ({"status": "QUEUED", "started_at": None, "completed_at": None}, "Waiting", "3h 6m"),
        ({"completed_at": None}, "Elapsed", "3h 5m"),
        ({"completed_at": CREATED + 90}, "Elapsed", "3h 5m"),
        ({"status": "SUCCESS", "completed_at": CREATED + 90}, "Took", "30s"),
        ({"status": "CANCELLED", "completed_at": CREATED + 90, "started_at": None}, "Took", "1m 30s"),
        ({"status": "FAILED", "completed_at": CREATED - 90}, "Took", "0s"),
    ],
)
def test_how_long_it_has_been(changed, label, elapsed):
    """Waiting counts from creation, running from the start, and an end stops the clock."""
    assert after(label, expected(**changed)) == elapsed


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"])
def test_without_an_end_time_the_duration_is_unknown(status):
    """A job that is over stops counting even where the API does not say since when."""
    lines = expected(status=status, completed_at=None)
    assert not {"*Took*", "*Elapsed*", "*Waiting*"} & set(lines)


@pytest.mark.parametrize(
    ("changed", "eta"),
    [
        ({}, None),
        ({}, ""),
        ({}, "soon"),
        ({}, "2025-06-25T14:20:14.000Z"),
        ({}, "2024-01-01T00:00:00.000Z"),
        ({"status": "SUCCESS"}, "2025-06-25T15:20:10.000Z"),
    ],
)
def test_no_estimate_where_it_says_nothing(changed, eta):
    """An estimate that is absent, unreadable or past is not shown, nor one for a job that is over."""
    sent = card_of(answer(**changed), eta=eta)
    assert "Expected" not in shown(sent)
    assert refusal(sent) is None


def test_a_card_looks_like_the_failure_that_it_is():
    """The card of a SUCCESS with every request failed says so, in its header and where there are no blocks."""
    sent = card_of(answer(status="SUCCESS", succeeded_requests=0, failed_requests=1000))
    assert sent["blocks"][0]["text"]["text"] == "Batch failed: all 1,000 requests failed"
    assert sent["text"].startswith("Batch failed: all 1,000 requests failed (mistral-small-latest)\n")
    assert "The API reports SUCCESS, but not one request succeeded." in shown(sent)


def test_a_deleted_job_is_over():
    """A job that the API no longer has is shown as deleted, whatever its last status was."""
    sent = card_of(answer(completed_at=None), "batch.deleted", eta="2025-06-25T15:20:10.000Z")
    assert sent["blocks"][0]["text"]["text"] == "Batch deleted"
    assert "Expected" not in shown(sent)
    assert "Elapsed" not in shown(sent)


def test_what_is_no_job_is_still_a_card():
    """Data that cannot be read as a job gives a card that says what is wrong with it."""
    sent = card_of({"id": "<x>"})
    assert refusal(sent) is None
    assert alive(sent) == []
    assert shown(sent).startswith("Batch that cannot be read\n")
