"""The files that a job names, what becomes of them, and when an attempt is repeated."""

import msgspec
import pytest
from core_samples import ABSENT, NOW, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.results.archive_outcome import Results
from tracker.core.results.archive_task import GIVE_UP_AFTER, RETRY_WAITS, ArchiveTask, archive_retry, is_given_up
from tracker.core.results.result_file import ArchivedFile, MissingFile, ResultFile, files_of


@pytest.mark.parametrize(
    ("output", "error", "files"),
    [
        pytest.param("o", "e", (ResultFile("output", "o"), ResultFile("error", "e")), id="both"),
        pytest.param("o", None, (ResultFile("output", "o"),), id="output"),
        pytest.param(None, "e", (ResultFile("error", "e"),), id="error"),
        pytest.param("", "", (), id="empty"),
        pytest.param(ABSENT, ABSENT, (), id="absent"),
    ],
)
def test_files_of_a_job(output, error, files):
    """A job names an output and an error file; null, "" and absent name none."""
    named = job(output_file=output, error_file=error)
    assert files_of(named) == files
    assert ArchiveTask(account="a", job=named, created_at=NOW, due_at=NOW).files == files


ARCHIVED = ArchivedFile(kind="output", file_id="o", bytes=3, sha256="ab", lines=1, location="file:///x")
GONE, FORBIDDEN = (MissingFile(kind="error", file_id="e", reason=reason) for reason in ("gone", "forbidden"))


@pytest.mark.parametrize(
    ("files", "missing", "state"),
    [
        pytest.param((ARCHIVED,), (), "archived", id="all"),
        pytest.param((ARCHIVED,), (GONE,), "partial", id="some"),
        pytest.param((), (FORBIDDEN, GONE), "forbidden", id="none"),
    ],
)
def test_state_of_results(files, missing, state):
    """The state says whether each file is in the archive, or why none is."""
    assert Results(account="a", job_id="j", archived_at=NOW, files=files, missing=missing).state == state


def test_keys_of_an_archived_file():
    """The JSON of an archived file is that of the event."""
    assert [*msgspec.to_builtins(ARCHIVED)] == ["kind", "file_id", "bytes", "sha256", "lines", "location"]


@given(st.integers(0, 10_000), st.floats(0, 1), st.none() | st.floats(0, 3600))
def test_waits_grow_and_keep_to_what_the_api_asks_for(attempts, jitter, retry_after):
    """A wait is never shorter than Retry-After, stays within a tenth of its step, and never exceeds the last step else."""
    wait = archive_retry(attempts, jitter, retry_after)
    step = RETRY_WAITS[min(max(attempts, 1), len(RETRY_WAITS)) - 1]
    assert wait >= (retry_after or 0)
    assert step * 0.89 <= wait <= max(step * 1.11, retry_after or 0)
    assert archive_retry(attempts + 1, jitter) >= archive_retry(attempts, jitter)


def test_a_task_is_given_up_after_two_days():
    """An attempt that fails two days after the task was made was the last one."""
    task = ArchiveTask(account="a", job=job(), created_at=NOW, due_at=NOW, attempts=50)
    last = NOW + GIVE_UP_AFTER * 1000
    assert GIVE_UP_AFTER == 2 * 24 * 3600
    assert not is_given_up(task, last - 1)
    assert is_given_up(task, last)


def test_a_task_is_not_given_up_after_few_attempts():
    """However late it is, each wait of the back-off is waited first: nothing may have been tried in the two days."""
    task = ArchiveTask(account="a", job=job(), created_at=NOW, due_at=NOW, attempts=len(RETRY_WAITS))
    late = NOW + 30 * GIVE_UP_AFTER * 1000
    assert is_given_up(task, late)
    assert not is_given_up(msgspec.structs.replace(task, attempts=len(RETRY_WAITS) - 1), late)
