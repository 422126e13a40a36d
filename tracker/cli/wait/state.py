"""Owns the state of the awaited jobs: their last observation, progress and result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from tracker.core.events.event import outcome_of_data
from tracker.core.forecast.eta import History, Sample, extended
from tracker.core.jobs.status import CANCELLED, FAILED, SUCCESS, TIMEOUT_EXCEEDED, is_terminal

SUCCEEDED: Final = "success"
DELETED: Final = "deleted"
UNKNOWN: Final = "unknown"
TIMED_OUT: Final = "timed_out"

_RESULTS: Final[Mapping[str, str]] = {FAILED: "failed", TIMEOUT_EXCEEDED: "expired", CANCELLED: "cancelled"}


class View(Protocol):
    """Shows the progress and results of a wait."""

    @property
    def shows_errors(self) -> bool:
        """Whether it says why requests failed."""

    def job_changed(self, awaited: "Awaited") -> None:
        """The job has changed, and is not over."""

    def job_ended(self, awaited: "Awaited") -> None:
        """Its `result` is known."""

    def show_notice(self, words: str) -> None:
        """Show a notice, such as that the daemon has stopped."""

    def tick(self, waiting: "Waiting") -> None:
        """Time has passed."""


class Awaited:
    """One job: `given` is the argument, `job` is as `jobs --json` prints it, `result` how it ended."""

    def __init__(self, given: str) -> None:
        self.given = given
        self.job: dict[str, Any] | None = None
        self.result: str | None = None
        self.history: History = ()
        self.digest: Mapping[str, Any] | None = None  # why requests failed, where results are archived
        self.missed = 0  # looks in a row that did not find it
        self.missed_at: int | None = None  # when the first of them was (Unix milliseconds)

    @property
    def id(self) -> str:
        """The whole ID, as far as it is known."""
        return str(self.job["id"]) if self.job else self.given

    @property
    def account(self) -> str | None:
        return str(self.job["account"]) if self.job else None

    def add_sample(self, job: Mapping[str, Any], at: int) -> None:
        """Add a sample of its progress at `at` (Unix milliseconds)."""
        if not is_terminal(job["status"]):
            self.history = extended(self.history, Sample(at, job["completed_requests"]))

    def to_json(self) -> dict[str, Any]:
        return {**(self.job or {"id": self.given}), "result": self.result}


class Waiting:
    """All jobs that are waited for; the view is notified of each change."""

    def __init__(self, given: Sequence[str], view: View) -> None:
        self.all = [Awaited(each) for each in dict.fromkeys(given)]
        self.view = view

    @property
    def outstanding(self) -> list[Awaited]:
        return [each for each in self.all if each.result is None]

    def record_job(self, awaited: Awaited, job: dict[str, Any], at: int) -> None:
        """Record an observation at `at` (Unix milliseconds); a terminal state is final."""
        if awaited.result is not None:
            return
        if any(other is not awaited and (other.account, other.id) == (job["account"], job["id"]) for other in self.all):
            self.all.remove(awaited)  # the same job, asked for in two ways
            return
        awaited.missed, awaited.missed_at = 0, None
        awaited.add_sample(job, at)
        if job == awaited.job:
            return
        awaited.job = job
        result = result_of(job)
        if result is None:
            self.view.job_changed(awaited)
        else:
            self.end(awaited, result)

    def end(self, awaited: Awaited, result: str) -> None:
        awaited.result = result
        self.view.job_ended(awaited)

    def matching(self, job_id: str, account: str, among: Sequence[Awaited] | None = None) -> Iterator[Awaited]:
        """The awaited jobs that this job may be, of all outstanding ones or of those `among` them."""
        for awaited in self.outstanding if among is None else among:
            is_it = awaited.id == job_id if awaited.job else job_id.startswith(awaited.given)
            if is_it and awaited.account in (None, account):
                yield awaited


def result_of(job: Mapping[str, Any]) -> str | None:
    """The result of a job as `jobs --json` prints it; None while it is active."""
    if job["status"] == SUCCESS:
        return outcome_of_data(job)
    return _RESULTS.get(job["status"]) or (DELETED if job.get("deleted") else None)
