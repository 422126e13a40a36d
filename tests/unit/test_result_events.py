"""Events about results have what became of the files and what their lines say, and are never too large."""

import json

import msgspec
import pytest
from core_samples import NOW, job

from tracker.core.events.event import MAX_EVENT_BYTES, encode_event
from tracker.core.events.result_events import ARCHIVED, RESULTS_GONE, result_events, shortened_files
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage

JOB = job(status="SUCCESS", output_file="out", error_file="err")
ARCHIVED_FILE = ArchivedFile(kind="output", file_id="out", bytes=9, sha256="0f" * 32, lines=2, location="file:///out")
MISSING_FILE = MissingFile(kind="error", file_id="err", reason="gone", detail="HTTP 404")
KIB = 1024


def results(**said):
    return Results(**{"account": "default", "job_id": JOB.id, "archived_at": NOW, "files": (ARCHIVED_FILE,)} | said)


def digest(groups, size, **more):
    """A digest of this number of `groups`, each with a sample of that many bytes."""
    failures = tuple(
        FailureGroup(status=400, code="bad", message="m" * (size // 4), count=10 - number, sample="s" * size)
        for number in range(groups)
    )
    return Digest(failed=55, groups=failures, job_errors=("e" * size,), **more)


def made(of, about=JOB):
    """The one event of these results, as JSON."""
    (event,) = result_events(of, about)
    text = encode_event(msgspec.structs.replace(event, seq=2**63 - 1))
    assert len(text.encode()) <= MAX_EVENT_BYTES
    return json.loads(text)


def test_each_kind_of_outcome_has_its_event():
    """Archived and missing files are in one event each, the archived ones first; no file gives no event."""
    assert [event.type for event in result_events(results(), JOB)] == [ARCHIVED]
    assert [event.type for event in result_events(results(missing=(MISSING_FILE,)), JOB)] == [ARCHIVED, RESULTS_GONE]
    assert [event.type for event in result_events(results(files=(), missing=(MISSING_FILE,)), JOB)] == [RESULTS_GONE]
    assert result_events(results(files=()), JOB) == []


def test_two_events_of_one_outcome_have_two_ids():
    """A consumer that deduplicates distinguishes them."""
    first, second = result_events(results(missing=(MISSING_FILE,)), JOB)
    assert first.id != second.id


def test_json_of_an_archived_job():
    """The keys stand between the changes and the job, in the order of the design; the time is that of archiving."""
    used = ModelUsage(requests=1, prompt_tokens=2, completion_tokens=3, total_tokens=5)
    event = made(results(digest=Digest(), usage=Usage(total=used, by_model={"m": used}), cost=Cost(amounts={"EUR": "0.1"})))
    assert list(event)[7:] == ["observed_at", "changes", "files", "digest", "usage", "cost", "data"]
    assert event["files"] == [
        {"kind": "output", "file_id": "out", "bytes": 9, "sha256": "0f" * 32, "lines": 2, "location": "file:///out"}
    ]
    assert event["usage"]["by_model"]["m"]["total_tokens"] == 5
    assert event["cost"] == {"amounts": {"EUR": "0.1"}, "unpriced_models": []}
    assert (event["created_at"], event["changes"]) == (NOW // 1000, {})


def test_what_is_not_known_is_absent():
    """Without a digest, usage or cost their keys are absent, and a missing file's event never has them."""
    assert not {"digest", "usage", "cost", "outcome", "eta"} & made(results()).keys()
    gone = made(results(files=(), missing=(MISSING_FILE,), digest=Digest()))
    assert gone["files"] == [{"kind": "error", "file_id": "err", "reason": "gone", "detail": "HTTP 404"}]
    assert "digest" not in gone


def test_event_within_the_limit_is_whole():
    """A digest of 16 KiB beside the largest job stays as it is."""
    large = job(status="SUCCESS", note="n" * (31 * KIB))
    whole = digest(10, 1200)
    assert made(results(digest=whole), large)["digest"] == json.loads(msgspec.json.encode(whole))


@pytest.mark.parametrize(
    ("groups", "size", "kept", "samples"),
    [(10, 5 * KIB, 10, 0), (10, 20 * KIB, 3, 0), (10, 60 * KIB, 0, 0), (2, 1 * KIB, 2, 2)],
)
def test_digest_that_is_too_large_is_shortened(groups, size, kept, samples):
    """Its samples go first, then groups but the most frequent ones, which are counted with those that were omitted before."""
    shortened = made(results(digest=digest(groups, size, groups_omitted=4, other=7)))["digest"]
    assert len(shortened["groups"]) == kept
    assert sum(group["sample"] is not None for group in shortened["groups"]) == samples
    assert shortened["groups_omitted"] == 4 + groups - kept
    assert shortened["other"] == 7 + sum(10 - number for number in range(kept, groups))
    assert shortened["failed"] == 55
    assert shortened["job_errors"] == ([] if kept == 0 else ["e" * size])


def test_usage_of_too_many_models_has_the_total():
    """Where models do not fit the sum of them is there, and the cost is left out with the models it is of."""
    used = ModelUsage(requests=1, prompt_tokens=2, completion_tokens=3, total_tokens=5)
    usage = Usage(total=used, by_model={f"model-{number}": used for number in range(2000)})
    event = made(results(digest=digest(2, 10), usage=usage, cost=Cost(unpriced_models=tuple(usage.by_model))))
    assert event["usage"] == {"total": json.loads(msgspec.json.encode(used)), "by_model": {}}
    assert "cost" not in event
    assert event["digest"]["groups"] == []


def test_texts_of_files_are_cut_at_last():
    """A file id or a detail of any length leaves an event of its type, and numbers stay."""
    file = msgspec.structs.replace(ARCHIVED_FILE, file_id="i" * 40 * KIB, location="file:///" + "i" * 40 * KIB)
    event = made(results(files=(file,)))
    assert event["files"] == shortened_files([json.loads(msgspec.json.encode(file))])
    assert event["files"][0]["file_id"] == "i" * 255 + "\N{HORIZONTAL ELLIPSIS}"
    assert (event["files"][0]["bytes"], event["files"][0]["lines"]) == (9, 2)
    missing = msgspec.structs.replace(MISSING_FILE, detail="d" * 70 * KIB)
    assert len(made(results(files=(), missing=(missing,)))["files"][0]["detail"]) == 256
