"""Owns chance: the endless sequence of jobs that a seed determines.

Two populations of the same seed, size and speed have the same jobs, shifted by when they began.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from tracker.simulator.faults.fault_options import DOWNLOAD_FAULTS, PLAN_FAULTS, Fault
from tracker.simulator.faults.job_and_file_faults import created_at, with_chosen_faults, with_fault
from tracker.simulator.job_timeline import JobPlan

LIFETIME: Final = 200.0
"""Seconds that a job takes on average, at speed 1."""

HISTORY: Final = 3 * LIFETIME
"""Seconds before the beginning in which jobs were already being created, at speed 1."""

_TEAMS: Final = ("research", "search", "billing", "support")
_TASKS: Final = ("summaries", "evaluation", "embeddings", "translation", "invoices", "labels")
_ENDS: Final = {
    "success": 58,
    "partial": 14,
    "all_failed": 4,
    "failed": 8,
    "timeout_exceeded": 6,
    "cancelled": 8,
    "validating": 2,
}


class Catalog(NamedTuple):
    """What the jobs of a vendor have: one of these models and endpoints, and these properties of a plan."""

    models: tuple[str, ...]
    endpoints: tuple[str, ...]
    submitted: Mapping[str, Any] = {}


MISTRAL: Final = Catalog(
    models=("mistral-small-latest", "mistral-medium-latest", "ministral-8b-latest", "codestral-latest"),
    endpoints=("/v1/chat/completions", "/v1/embeddings", "/v1/ocr", "/v1/moderations"),
)

ENDS: Final = ("success", "partial", "all_failed", "failed", "timeout_exceeded")
"""How `metadata.simulate` of a created job may ask it to end."""

SIMULATE_VALUES: Final = (*ENDS, *PLAN_FAULTS, *DOWNLOAD_FAULTS)
"""What else it may ask for: a fault of jobs or files, or that each download of its result files goes wrong."""


class Population:
    """Draws plans; `speed` divides every duration, and those of `faults` that are of jobs or of seconds strike."""

    def __init__(
        self,
        seed: int,
        speed: float = 1.0,
        faults: Iterable[Fault] = (),
        answer_length: int = 0,
        catalog: Catalog = MISTRAL,
    ) -> None:
        """`answer_length` is that of `JobPlan`."""
        self._random = Random(seed)  # noqa: S311 - it has to be repeatable
        self._faults = tuple(faults)
        self.speed = speed
        self._answer_length = answer_length
        self._catalog = catalog

    def arrivals(self, jobs: int, began: float) -> Iterator[JobPlan]:
        """Jobs in the order of their creation, since before `began`; about `jobs` of them are under way at any time."""
        if jobs == 0:
            return
        created = began - HISTORY / self.speed
        while True:
            created += self._random.expovariate(jobs / LIFETIME) / self.speed
            (end,) = self._random.choices(tuple(_ENDS), tuple(_ENDS.values()))
            yield self.plan(created_at(created, self._faults), end, **self._submission())

    def plan(self, created: float, end: str | None = None, **submitted: Any) -> JobPlan:
        """A job as `submitted`, that will come to `end`: `SIMULATE_VALUES` with commas between; one of `ENDS` by default."""
        end, faults = _parsed(end)
        chance, speed = self._random, self.speed
        submitted.setdefault("requests", round(20 * 10 ** chance.uniform(0, 2)))
        queued, running = chance.uniform(4, 50), chance.uniform(60, 330)
        usual: dict[str, Any] = {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "created": created,
            "queued": queued / speed,
            "validated": (queued + chance.uniform(-3, 12)) / speed,
            "running": running / speed,
            "pace": chance.uniform(0.7, 1.6),
            "cancelling": chance.uniform(5, 20) / speed,
            "timeout": 24 * 3600 / speed,
            "answer_length": self._answer_length,
        }
        ending = self._ending(end or chance.choice(ENDS), created, queued + running, submitted["requests"])
        plan = with_chosen_faults(JobPlan(**usual | submitted | ending), self._faults)
        return reduce(with_fault, faults, plan)

    def _ending(self, end: str, created: float, lifetime: float, requests: int) -> dict[str, Any]:
        cut_short = lifetime * self._random.uniform(0.3, 0.9) / self.speed
        some = max(1, round(requests * self._random.uniform(0.01, 0.4)))
        endings: dict[str, dict[str, Any]] = {
            "partial": {"failures": min(some, requests)},
            "all_failed": {"failures": requests},
            "failed": {"fails_after": cut_short},
            "timeout_exceeded": {"timeout": cut_short},
            "cancelled": {"cancel_at": created + cut_short},
            "validating": {"validating_as": "VALIDATING"},
        }
        return endings.get(end, {})

    def _submission(self) -> dict[str, Any]:
        chance = self._random
        return {
            "endpoint": chance.choice(self._catalog.endpoints),
            "model": chance.choice(self._catalog.models),
            "input_files": (str(UUID(int=chance.getrandbits(128), version=4)),),
            "metadata": {"team": chance.choice(_TEAMS), "task": chance.choice(_TASKS)},
            "mine": chance.random() < 0.7,
            **self._catalog.submitted,
        }


def _parsed(simulate: str | None) -> tuple[str | None, list[str]]:
    """The end and the faults that are asked for; with a fault alone the job succeeds."""
    values = (simulate or "").split(",")
    faults = [value for value in values if value in SIMULATE_VALUES and value not in ENDS]
    ends = [value for value in values if value not in faults]
    return (ends[-1] if ends else "success") or None, faults
