"""Owns the series of each active job: text made by hand, equal to what prometheus_client would write, ten times as fast.

It works on copies: the loops go on while a scrape is answered.
"""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from prometheus_client.utils import floatToGoString

from tracker.core.job import COUNTERS, Job
from tracker.core.status import is_recognized
from tracker.metrics.families import PREFIX
from tracker.metrics.models import LONGEST

Snapshots = Mapping[str, Mapping[str, Job]]
"""The active jobs by account and id."""

UNRECOGNIZED: Final = "unrecognized"

_COUNTER_TEXTS: Final = dict(
    zip(
        COUNTERS,
        (
            "Requests of an active job.",
            "Requests of an active job that are done.",
            "Requests of an active job that succeeded.",
            "Requests of an active job that failed.",
        ),
        strict=True,
    )
)


class _Labels(NamedTuple):
    """The parts of a job's lines that seldom change, and what they were made of."""

    made_of: tuple[str | None, str | None, int]
    job: str
    info: str
    created: str


class JobSeries:
    """The text of the per-job series. It remembers the labels of the jobs that it wrote last."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str], _Labels] = {}

    def render(self, snapshots: Snapshots, most: int) -> bytes:
        """The series of the `most` oldest of the jobs, and how many were left out."""
        kept = _oldest(snapshots, most)
        labels = self._labels = {(account, job.id): self._labels_of(account, job) for account, job in kept}
        jobs = [(job, labels[account, job.id]) for account, job in kept]
        parts = [_family(f"job_{name}", text, _counters(jobs, name)) for name, text in _COUNTER_TEXTS.items()]
        parts += [
            _family("job_info", "What an active job is.", (each.info for _, each in jobs)),
            _family("job_created_timestamp_seconds", "When an active job was created.", (each.created for _, each in jobs)),
            _family("job_status", "The status of an active job: 1.", map(_status, jobs)),
            _family("job_series_omitted", "Active jobs without series of their own.", _omitted(snapshots, kept)),
        ]
        return "".join(chain.from_iterable(parts)).encode()

    def _labels_of(self, account: str, job: Job) -> _Labels:
        made_of = (job.model, job.endpoint, job.created_at)
        found = self._labels.get((account, job.id))
        return found if found and found.made_of == made_of else _made(account, job, made_of)


def number(value: int) -> str:
    """As prometheus_client writes it; it switches to exponents at a million."""
    return f"{value}.0" if 0 <= value < 1_000_000 else floatToGoString(value)  # type: ignore[no-untyped-call]


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _oldest(snapshots: Snapshots, most: int) -> list[tuple[str, Job]]:
    """Those that wait, run or are being cancelled for too long are among them, and a new one drives none out."""
    jobs = [(account, job) for account, jobs in snapshots.items() for job in jobs.values()]
    if len(jobs) <= most:
        return jobs
    return nsmallest(most, jobs, key=lambda each: (each[1].created_at, each[0], each[1].id))


def _made(account: str, job: Job, made_of: tuple[str | None, str | None, int]) -> _Labels:
    of, id_ = f'account="{escaped(account)}"', f'job="{escaped(job.id)}"'
    model, endpoint = (escaped((text or "")[:LONGEST]) for text in (job.model, job.endpoint))
    return _Labels(
        made_of,
        f"{of},{id_}",
        f'{PREFIX}job_info{{{of},endpoint="{endpoint}",{id_},model="{model}"}} 1.0\n',
        f"{PREFIX}job_created_timestamp_seconds{{{of},{id_}}} {number(job.created_at)}\n",
    )


def _counters(jobs: Iterable[tuple[Job, _Labels]], name: str) -> Iterable[str]:
    value, family = attrgetter(name), f"{PREFIX}job_{name}"
    return [f"{family}{{{labels.job}}} {number(value(job))}\n" for job, labels in jobs]


def _status(each: tuple[Job, _Labels]) -> str:
    job, labels = each
    status = job.status if is_recognized(job.status) else UNRECOGNIZED
    return f'{PREFIX}job_status{{{labels.job},status="{status}"}} 1.0\n'


def _omitted(snapshots: Snapshots, kept: Iterable[tuple[str, Job]]) -> Iterable[str]:
    left = {account: len(jobs) for account, jobs in snapshots.items()}
    for account, _ in kept:
        left[account] -= 1
    return [f'{PREFIX}job_series_omitted{{account="{escaped(each)}"}} {number(left[each])}\n' for each in left]


def _family(name: str, documentation: str, lines: Iterable[str]) -> Iterable[str]:
    return chain((f"# HELP {PREFIX}{name} {documentation}\n# TYPE {PREFIX}{name} gauge\n",), lines)
