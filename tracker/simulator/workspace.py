"""Owns the simulated workspace: the jobs that it has at a moment, what list, create, cancel and delete make of them, its files.

It does no I/O and reads no clock: `at` is always a moment in Unix seconds. The API that answers from it is `server`.
"""

from bisect import insort
from collections.abc import Iterable, Mapping

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.jobs.status import is_terminal
from tracker.simulator.files.file_store import FileStore
from tracker.simulator.job_timeline import JobPlan, exists, job_at, status_at


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to list; None and empty match anything. `created_after` is a moment; `mine` leaves out what others created."""

    statuses: tuple[str, ...] = ()
    model: str | None = None
    agent_id: str | None = None
    metadata: Mapping[str, str] = {}
    created_after: float | None = None
    mine: bool = False
    newest_first: bool = True


class Workspace:
    """The jobs of one workspace: those given at the start or created since, and those that `arrivals` brings in time."""

    def __init__(self, plans: Iterable[JobPlan] = (), arrivals: Iterable[JobPlan] = ()) -> None:
        """`arrivals` come in the order of their creation."""
        self.plans = {plan.id: plan for plan in plans}
        self._files = FileStore(self.plans)
        for plan in self.plans.values():
            self._files.add_job(plan)
        self._by_creation = sorted((plan.created, plan.id) for plan in self.plans.values())
        self._arrivals = iter(arrivals)
        self._next = next(self._arrivals, None)

    def add(self, plan: JobPlan) -> None:
        self.plans[plan.id] = plan
        self._files.add_job(plan)
        insort(self._by_creation, (plan.created, plan.id))

    def plans_at(self, at: float) -> Mapping[str, JobPlan]:
        """The plans of all jobs that have arrived by then, in the order in which they did, by ID."""
        self._arrive(at)
        return self.plans

    def files_at(self, at: float) -> FileStore:
        """The files, among them those of all jobs that have arrived by then."""
        self._arrive(at)
        return self._files

    def get(self, job_id: str, at: float) -> Job | None:
        plan = self._find(job_id, at)
        return None if plan is None else job_at(plan, at)

    def matching(self, query: Query, at: float) -> list[JobPlan]:
        """The plans of all jobs that the query lists, in its order."""
        self._arrive(at)
        found = [plan for _, id_ in self._by_creation if _matches(plan := self.plans[id_], query, at)]
        return found[::-1] if query.newest_first else found

    def cancel(self, job_id: str, at: float) -> Job | None:
        """Ask the job to end; one that was asked before, or is over, stays as it is."""
        plan = self._find(job_id, at)
        if plan is None:
            return None
        if not is_terminal(status_at(plan, at)) and (plan.cancel_at is None or plan.cancel_at > at):
            plan = self.plans[job_id] = msgspec.structs.replace(plan, cancel_at=at)
        return job_at(plan, at)

    def delete(self, job_id: str, at: float) -> bool:
        """Whether there was such a job; from now on there is none."""
        plan = self._find(job_id, at)
        if plan is not None:
            self.plans[job_id] = msgspec.structs.replace(plan, deleted_at=at)
        return plan is not None

    def _find(self, job_id: str, at: float) -> JobPlan | None:
        self._arrive(at)
        plan = self.plans.get(job_id)
        return plan if plan and exists(plan, at) else None

    def _arrive(self, at: float) -> None:
        while self._next and self._next.created <= at:
            self.add(self._next)
            self._next = next(self._arrivals, None)


def _matches(plan: JobPlan, query: Query, at: float) -> bool:
    return (
        exists(plan, at)
        and (query.created_after is None or plan.created > query.created_after)
        and (not query.statuses or status_at(plan, at) in query.statuses)
        and query.model in (None, plan.model)
        and query.agent_id in (None, plan.agent_id)
        and query.metadata.items() <= plan.metadata.items()
        and (plan.mine or not query.mine)
    )
