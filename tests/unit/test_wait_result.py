"""What `wait` says in the end, and its exit status."""

import pytest

from tracker.cli.wait import api_source
from tracker.cli.wait.api_source import ApiSource
from tracker.cli.wait.exit_status import exit_status
from tracker.cli.wait.result import result_lines, summary
from tracker.cli.wait.state import Awaited, Waiting
from tracker.cli.wait.view import LineView
from tracker.core.errors.provider_failure import Failure, Reason

ID = "541d1a81-4815-442c-8f7c-6d7a4d5f4a3e"
GOOD = {"success"}
BAD_ENDS = ("partial", "all_failed", "empty", "failed", "expired", "cancelled", "deleted")


def awaited(result, **properties):
    counters = {"total_requests": 50, "completed_requests": 50, "succeeded_requests": 40, "failed_requests": 10}
    made = Awaited(ID)
    made.result = result
    if result != "unknown":
        made.job = {"id": ID, "status": "SUCCESS", "created_at": 1_750_861_200, "completed_at": 1_750_865_000} | counters
        made.job |= {"endpoint": "/v1/e", "input_files": [], "account": "default"} | properties
    return made


@pytest.mark.parametrize(
    ("results", "status"),
    [
        (["success"], 0),
        *((["success", end], 1) for end in BAD_ENDS),
        (["timed_out"], 124),
        (["success", "timed_out"], 124),
        (["failed", "timed_out"], 1),
        (["unknown"], 2),
        (["unknown", "failed", "timed_out", "success"], 2),
        ([None, "success"], 1),
    ],
    ids=str,
)
def test_exit_status(results, status):
    """As the design has it; of several jobs an unknown one counts first, then a bad end, then what was not over in time."""
    assert exit_status([awaited(each) for each in results], GOOD) == status


def test_partial_success_may_count():
    """With --allow-partial a job in part is good, one without any success is not."""
    assert exit_status([awaited("partial"), awaited("success")], {"success", "partial"}) == 0
    assert exit_status([awaited("all_failed")], {"success", "partial"}) == 1


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (["success"], []),
        (["failed"], ["the job did not succeed in full"]),
        (["partial"], ["the job did not succeed in full", "--allow-partial counts a partial success as a success"]),
        (["timed_out"], ["the job is not over after the --timeout of 2h 0m"]),
        (["unknown"], ["the job is unknown"]),
        (
            ["success", "failed", "partial", "timed_out", "timed_out", "unknown"],
            [
                "1 of 6 jobs is unknown",
                "2 of 6 jobs did not succeed in full",
                "2 of 6 jobs are not over after the --timeout of 2h 0m",
            ],
        ),
        ([None, "failed"], ["no longer waiting; still active: 541d1a81"]),
    ],
    ids=str,
)
def test_summary_distinguishes_a_time_out_from_a_failure(results, said):
    """Each way to miss what was waited for has a sentence of its own."""
    assert list(summary([awaited(each) for each in results], GOOD, 7200.0)) == said


def test_failed_job_says_why_and_fits_the_line():
    """The most frequent errors follow the verdict; no line is longer than 80 columns, and nothing of the API acts."""
    hostile = {"message": "\x1b]52;c;eA==\x07\n::error::", "count": 1}
    errors = [{"message": "rate limited " * 30, "count": 12}, hostile, {"message": "third", "count": 1}, {"message": "fourth"}]
    lines = result_lines(awaited("failed", status="FAILED", errors=errors, error_file="\x1b[2Jx"))
    assert lines[0] == f"{ID}  Batch failed in 1h 3m"
    assert lines[1].startswith("  12 requests: rate limited")
    assert any("and 1 other error" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)
    assert "  1 request: third" in lines
    assert not any("fourth" in line for line in lines)


def test_the_vendor_is_named_where_the_job_names_one():
    """A job of Mistral's names none."""
    assert result_lines(awaited("partial", provider="openai"))[0] == f"{ID}  openai  Batch completed in 1h 3m"


def test_digest_says_more_than_the_job():
    """Where results are archived the three most frequent failures of their lines are named; a success names none."""
    groups = [{"status": 400 + n, "code": None, "message": f"reason {n}", "count": 9 - n} for n in range(4)]
    made = awaited("partial", errors=[{"message": "late", "count": 9}])
    made.digest = {"groups": groups, "groups_omitted": 0, "job_errors": []}
    reasons = [f"  {9 - n} requests: reason {n} (HTTP {400 + n})" for n in range(3)]
    assert result_lines(made)[2:] == [*reasons, "  and 1 other error"]
    made.result = "success"
    assert len(result_lines(made)) == 2


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (
            awaited("partial", output_file="f1"),
            ["Batch completed in 1h 3m", "40 of 50 requests succeeded, 10 failed", "output_file  f1"],
        ),
        (awaited("timed_out", status="RUNNING", completed_requests=20), ["not over yet: RUNNING", "20/50 40 %, 10 failed"]),
        (awaited("deleted", completed_at=None), ["Batch deleted", "the API no longer has it"]),
        (awaited("unknown"), ["there is no such job"]),
    ],
    ids=["partial", "timed out", "deleted", "unknown"],
)  # fmt: skip
def test_lines_of_a_result(made, lines):
    """The ID and the verdict first, then the requests, then each file."""
    first, *more = lines
    assert result_lines(made) == [f"{ID}  {first}", *(f"  {line}" for line in more)]


class NotFound:
    """An API that has no job."""

    async def get_job(self, job_id):
        return Failure(Reason.NOT_FOUND, f"no job {job_id}")


@pytest.mark.parametrize(
    ("is_known", "result", "seconds"), [(True, "deleted", 60), (False, "unknown", 3)], ids=["known", "never seen"]
)
async def test_missing_job_is_believed_late_if_it_was_there(monkeypatch, is_known, result, seconds):
    """A job that was seen is deleted after a minute of 404s, which a broken gateway seldom answers; an unknown one soon."""
    at = 1_750_861_200_000
    waiting = Waiting([ID], LineView(as_json=True, quiet=True))
    (job,) = waiting.all
    if is_known:
        job.job = awaited("timed_out", status="RUNNING").job
    api = ApiSource({"default": NotFound()}, waiting)
    for passed in (0, 3, 57, 60):
        monkeypatch.setattr(api_source, "now", lambda passed=passed: at + passed * 1000)
        if job.result is None:
            await api.poll_once([job])
            assert (job.result is not None) == (passed >= seconds), passed
    assert job.result == result
