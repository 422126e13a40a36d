"""Owns the simulated job: what it is at any moment is a pure function of its plan and that moment.

A job would queue, run and succeed. A failure, its time-out or a cancellation may cut that short, whichever comes first;
what may follow what is the tracker's own table of statuses. Moments are Unix seconds with fractions; what a job reports
is the whole second that had begun.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import inf
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec
from msgspec import UNSET

from tracker.core.jobs.job import Job
from tracker.core.jobs.status import (
    CANCELLATION_REQUESTED,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCESS,
    TIMEOUT_EXCEEDED,
    is_recognized,
    is_terminal,
    may_follow,
)
from tracker.simulator.failed_result_lines import error_counts

BEYOND_THE_SCHEMA: Final = {"priority_tier": "standard"}
"""A property of every job that the schema does not have."""


class StatusStep(NamedTuple):
    """A status, and the moment from which on a job has it."""

    at: float
    status: str


class FileFaults(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the result files of a job.

    From `gone_after` on, in seconds after they appeared, they are not found; with `expires` that is known in advance, as their
    `expires_at`, else they were deleted. With `forbidden` they are refused with 403. `download` is the fault of every download
    of them, one of `fault_options.DOWNLOAD_FAULTS`. `bytes` and `num_lines` are wrong by so much, or null where they are None.
    The content ends `missing` bytes early.
    """

    gone_after: float | None = None
    expires: bool = False
    forbidden: bool = False
    download: str | None = None
    wrong_bytes: int | None = 0
    wrong_lines: int | None = 0
    missing: int = 0


class JobPlan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All that will ever happen to one job.

    `created`, `cancel_at` and `deleted_at` are moments. `validated` (from then on `total_requests` is known),
    `fails_after` and `timeout` count seconds from the creation. `queued`, `running` (the time that all requests
    take) and `cancelling` last this number of seconds. Of all requests `failures` would fail. `pace` bends the progress: above
    1 it begins slowly, below 1 it ends slowly. `validating_as` is a status outside the schema, shown from the start
    until the input is validated. `mine` is what `created_by_me` asks for.

    What goes wrong with it: its cancellation is withdrawn `withdrawn_after` it was asked for; `total_falls_after` its creation
    it has one request in a hundred fewer, and `model_lost_after` its model is null (all in seconds). For `settling` seconds
    a SUCCESS has no files and its counters are short. From `misreported_after` its creation on an answer has the `misreported`
    properties, or lacks those that are UNSET. A call of `poisoned` ("list", "get") that is to show it answers `poison` instead:
    an HTTP status, or "no-id", a job without one. `quirks` are those of `fault_options.VENDOR_FAULTS`.

    The text of each answer in its result files has at least `answer_length` characters. Its requests fail in three ways, or in
    every way that there is with `every_failure`. With `as_openai` these lines are OpenAI's, and what is left of a job that runs
    out of time has failed.
    """

    id: str
    created: float
    endpoint: str = "/v1/chat/completions"
    model: str | None = "mistral-small-latest"
    agent_id: str | None = None
    input_files: tuple[str, ...] = ()
    custom_ids: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    mine: bool = True

    requests: int = 100
    failures: int = 0
    queued: float = 5.0
    validated: float = 7.0
    running: float = 60.0
    pace: float = 1.0
    timeout: float = 24 * 3600.0

    fails_after: float | None = None
    failure: str = "The model was withdrawn while the job ran"
    cancel_at: float | None = None
    cancelling: float = 0.0
    deleted_at: float | None = None
    validating_as: str | None = None

    withdrawn_after: float | None = None
    total_falls_after: float | None = None
    model_lost_after: float | None = None
    settling: float = 0.0
    misreported: Mapping[str, Any] = {}
    misreported_after: float = 0.0
    poisoned: tuple[str, ...] = ()
    poison: str = "500"
    quirks: tuple[str, ...] = ()

    answer_length: int = 0
    every_failure: bool = False
    as_openai: bool = False
    file_faults: FileFaults = FileFaults()

    @cached_property
    def steps(self) -> tuple[StatusStep, ...]:
        """Every status that the job will have had, in order; the last one is terminal."""
        steps: list[StatusStep] = []
        for step in sorted(self._intended(), key=lambda each: each.at):
            if steps and not self._may_follow(steps[-1].status, step.status):
                continue
            if steps and steps[-1].at == step.at:
                steps.pop()  # it lasted no time at all
            steps.append(step)
        return tuple(steps)

    @property
    def ended(self) -> float:
        """The moment of its end."""
        return self.steps[-1].at

    @property
    def expires(self) -> bool:
        """Whether it runs out of time."""
        return self.steps[-1].status == TIMEOUT_EXCEEDED

    @property
    def started(self) -> float:
        """The moment from which on it was being worked on; infinite where it never was."""
        return next((at for at, status in self.steps if status == RUNNING or not is_recognized(status)), inf)

    @property
    def begun(self) -> float:
        """The moment of the first request, if nothing cuts the job short before."""
        return self.created + max(self.queued, self.validated)

    @property
    def finished(self) -> float:
        """The moment of the last request, if nothing cuts the job short before."""
        return self.begun + self.running

    def _may_follow(self, before: str, after: str) -> bool:
        withdraws = self.withdrawn_after is not None and (before, after) == (CANCELLATION_REQUESTED, RUNNING)
        return withdraws or may_follow(before, after)

    def _intended(self) -> Iterator[StatusStep]:
        yield StatusStep(self.created, QUEUED)
        yield StatusStep(self.created + self.queued, self.validating_as or RUNNING)
        if self.validating_as:
            yield StatusStep(self.begun, RUNNING)
        if self.cancel_at is not None:
            asked_at = max(self.created, self.cancel_at)
            yield StatusStep(asked_at, CANCELLATION_REQUESTED)
            if self.withdrawn_after is None:
                yield StatusStep(asked_at + self.cancelling, CANCELLED)
            else:
                yield StatusStep(asked_at + self.withdrawn_after, RUNNING)
        yield StatusStep(self.finished, SUCCESS)
        if self.fails_after is not None:
            yield StatusStep(self.created + self.fails_after, FAILED)
        yield StatusStep(self.created + self.timeout, TIMEOUT_EXCEEDED)


def exists(plan: JobPlan, at: float) -> bool:
    return plan.created <= at and (plan.deleted_at is None or at < plan.deleted_at)


def status_at(plan: JobPlan, at: float) -> str:
    """The status at `at`; the first one where that is before its creation."""
    for step in reversed(plan.steps):
        if step.at <= at:
            return step.status
    return plan.steps[0].status


def job_at(plan: JobPlan, at: float) -> Job:
    """The job as an honest API shows it at `at`, when it `exists`."""
    status = status_at(plan, at)
    over = is_terminal(status)
    settled = not (status == SUCCESS and at < plan.ended + plan.settling)
    total, succeeded, failed = requests_at(plan, min(at, plan.ended) if settled else plan.ended - plan.running / 10)
    if plan.as_openai and status == TIMEOUT_EXCEEDED:
        failed = total - succeeded
    return Job(
        id=plan.id,
        input_files=plan.input_files,
        endpoint=plan.endpoint,
        model=None if _is_over(plan, plan.model_lost_after, min(at, plan.ended)) else plan.model,
        output_file=result_file(plan, "output") if over and settled and succeeded else None,
        error_file=result_file(plan, "error") if over and settled and failed else None,
        status=status,
        created_at=int(plan.created),
        started_at=int(plan.started) if plan.started <= at else None,
        completed_at=int(plan.ended) if over else None,
        metadata=dict(plan.metadata),
        total_requests=total,
        completed_requests=succeeded + failed,
        succeeded_requests=succeeded,
        failed_requests=failed,
        agent_id=plan.agent_id,
        errors=_errors(plan, status, failed) if over else [],
        outputs=None,
        extra=dict(BEYOND_THE_SCHEMA),
    )


def answer_at(plan: JobPlan, at: float) -> dict[str, Any]:
    """The job as the API writes it at `at`: `job_at`, but for what the plan has misreported."""
    data = job_at(plan, at).to_data()
    if at >= plan.created + plan.misreported_after:
        data |= plan.misreported
    return {name: value for name, value in data.items() if value is not UNSET}


def failures_among(plan: JobPlan, completed: int) -> int:
    """The number of failed requests among the first `completed` ones."""
    return completed * plan.failures // max(plan.requests, 1)


def requests_at(plan: JobPlan, at: float) -> tuple[int, int, int]:
    """Requests in all, and those that were answered: succeeded and failed."""
    if at < plan.created + plan.validated:
        return 0, 0, 0
    fewer = max(1, plan.requests // 100) if _is_over(plan, plan.total_falls_after, at) else 0
    total = max(0, plan.requests - fewer)
    completed = min(total, int(plan.requests * _share(plan, at) ** plan.pace))
    failed = failures_among(plan, completed)
    return total, completed - failed, failed


def _is_over(plan: JobPlan, after: float | None, at: float) -> bool:
    """Whether `seconds` have passed since the creation; False for None."""
    return after is not None and at >= plan.created + after


def _share(plan: JobPlan, at: float) -> float:
    """The share of the working time that is over."""
    if at >= plan.finished:
        return 1.0
    return max(0.0, at - plan.begun) / plan.running if plan.running else 0.0


def _errors(plan: JobPlan, status: str, failed: int) -> list[dict[str, Any]]:
    errors = [{"message": plan.failure, "count": 1}] if status == FAILED else []
    return errors + error_counts(plan.id, failed, every=plan.every_failure)


def result_file(plan: JobPlan, kind: str) -> str:
    """The ID of the job's "output" or "error" file, whether there is one or not."""
    return str(uuid5(NAMESPACE_OID, f"{kind} of {plan.id}"))
