"""Owns what the simulated APIs of vendors besides Mistral share: batches by their IDs, and what faults make of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.simulated_api import SimulatedApi
from tracker.simulator.vendors.ids import parsed
from tracker.simulator.vendors.list_page import ListPage


class BatchesApi(SimulatedApi):
    """A vendor's API of batches, each at a path with its ID."""

    id_prefix: str = ""
    """What the ID in a path begins with, before the digits of the UUID that the workspace has."""

    without_id: Mapping[str, Any]
    """A batch without an ID."""

    error_of: Callable[[int], Response]
    """Makes an error of an HTTP status in the vendor's form."""

    def plan_of(self, request: Request, at: float, fault: str | None = None) -> JobPlan | None:
        """The plan of the batch of the path, if there is one at `at` and no fault hides it."""
        id_ = None if fault in ("vanish", "no-jobs") else parsed(self.id_prefix, request.path_params["id"])
        job = None if id_ is None else self.workspace.get(id_, at)
        return None if job is None else self.workspace.plans[job.id]

    def plans_on(self, page: ListPage, plans: Sequence[JobPlan], fault: str | None) -> list[JobPlan]:
        """Those of a list that a page shows, of which a fault hides one."""
        found = list(plans[page.start : page.stop])
        if fault == "vanish" and found:
            found.pop(self.faults.random.randrange(len(found)))
        return found

    def poisoned(self, call: str, plans: Sequence[JobPlan]) -> Response | None:
        """The answer in place of these, if one of them cannot be shown."""
        poison = self.poison_among(call, plans)
        if poison is None:
            return None
        return json_answer(dict(self.without_id)) if poison == "no-id" else self.error_of(int(poison))
