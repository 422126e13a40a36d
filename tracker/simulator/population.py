"""Owns chance: the jobs that a seed brings into being, one after the other, for ever.

Two populations of the same seed, size and speed have the same jobs, shifted by when they began.
"""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final
from uuid import UUID

from tracker.simulator.faults import JOB_FAULTS, Fault
from tracker.simulator.job_timeline import Plan
from tracker.simulator.odd_jobs import afflicted, created_at, with_fault

LIFETIME: Final = 200.0
"""Seconds that a job takes on average, at speed 1."""

HISTORY: Final = 3 * LIFETIME
"""Seconds before the beginning in which jobs were already being created, at speed 1."""

_MODELS: Final = ("mistral-small-latest", "mistral-medium-latest", "ministral-8b-latest", "codestral-latest")
_ENDPOINTS: Final = ("/v1/chat/completions", "/v1/embeddings", "/v1/ocr", "/v1/moderations")
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

ENDS: Final = ("success", "partial", "all_failed", "failed", "timeout_exceeded")
"""How `metadata.simulate` of a created job may ask it to end."""

WISHES: Final = (*ENDS, *JOB_FAULTS)
"""What else it may ask for: a fault of jobs."""


class Population:
    """Draws plans; `speed` divides every duration, and those of `faults` that are of jobs or of seconds strike."""

    def __init__(self, seed: int, speed: float = 1.0, faults: Iterable[Fault] = ()) -> None:
        self._random = Random(seed)  # noqa: S311 - it has to be repeatable
        self._faults = tuple(faults)
        self.speed = speed

    def arrivals(self, jobs: int, began: float) -> Iterator[Plan]:
        """Jobs in the order of their creation, since before `began`; about `jobs` of them are under way at any time."""
        if jobs == 0:
            return
        created = began - HISTORY / self.speed
        while True:
            created += self._random.expovariate(jobs / LIFETIME) / self.speed
            (end,) = self._random.choices(tuple(_ENDS), tuple(_ENDS.values()))
            yield self.plan(created_at(created, self._faults), end, **self._submission())

    def plan(self, created: float, end: str | None = None, **submitted: Any) -> Plan:
        """A job as `submitted`, that will come to `end`, or to one of `ENDS` where that is None or a fault of jobs."""
        if end in JOB_FAULTS:
            return with_fault(self.plan(created, "success", **submitted), end)
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
        }
        ending = self._ending(end or chance.choice(ENDS), created, queued + running, submitted["requests"])
        return afflicted(Plan(**usual | submitted | ending), self._faults)

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
            "endpoint": chance.choice(_ENDPOINTS),
            "model": chance.choice(_MODELS),
            "input_files": (str(UUID(int=chance.getrandbits(128), version=4)),),
            "metadata": {"team": chance.choice(_TEAMS), "task": chance.choice(_TASKS)},
            "mine": chance.random() < 0.7,
        }
