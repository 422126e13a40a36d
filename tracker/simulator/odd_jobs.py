"""Owns the faults of single jobs and of creation times: which plan, and which moment, a fault makes of one that is in order."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.simulator.faults import JOB_FAULTS, TIME_FAULTS, Fault
from tracker.simulator.job_timeline import Plan

LATE: Final = 2.0
"""Seconds for which a SUCCESS is not complete."""

MINUTE: Final = 60.0


def afflicted(plan: Plan, faults: Iterable[Fault]) -> Plan:
    """The plan of the same job, with every fault of jobs that strikes it."""
    for fault in faults:
        if fault.kind in JOB_FAULTS and fault.chooses(plan.id):
            plan = with_fault(plan, fault.kind)
    return plan


def with_fault(plan: Plan, kind: str) -> Plan:
    """The plan of the same job, with one of `JOB_FAULTS`."""
    half = max(plan.queued, plan.validated) + plan.running / 2
    changes: dict[str, dict[str, Any]] = {
        "poisoned": {"poisoned": ("list", "get")},
        "poisoned-list": {"poisoned": ("list",)},
        "poisoned-get": {"poisoned": ("get",)},
        "falling-total": {"total_falls_after": half, "model_lost_after": half},
        "withdrawn": {"cancel_at": plan.created + half, "withdrawn_after": plan.running / 10},
        "late-output": {"settling": LATE},
        "missing-counter": {
            "misreported": {"failed_requests": None, "succeeded_requests": UNSET, "created_at": float(int(plan.created))},
            "misreported_after": half,
        },
    }
    return msgspec.structs.replace(plan, **changes[kind])


def created_at(moment: float, faults: Iterable[Fault]) -> float:
    """When a job is created that would be at `moment`, by the faults of creation times; a later one never comes earlier."""
    minute = moment // MINUTE
    strikes = any(fault.kind in TIME_FAULTS and fault.chooses(str(int(minute))) for fault in faults)
    return minute * MINUTE if strikes else moment
