"""The faults of jobs, their result files and creation times: they change the plan of a job, and the moment of its creation."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.simulator.faults.fault_options import (
    DOWNLOAD_FAULTS,
    FILE_FAULTS,
    PLAN_FAULTS,
    TIME_FAULTS,
    VENDOR_FAULTS,
    WEBHOOK_FAULTS,
    Fault,
)
from tracker.simulator.job_timeline import JobPlan

LATE: Final = 2.0
"""Seconds for which a SUCCESS is not complete."""

EXPIRY: Final = 5.0
"""Seconds after which result files expire."""

MINUTE: Final = 60.0


def with_chosen_faults(plan: JobPlan, faults: Iterable[Fault]) -> JobPlan:
    """The plan of the same job, with every fault of jobs and of their files that strikes it."""
    for fault in faults:
        if fault.kind in PLAN_FAULTS and fault.chooses(plan.id):
            plan = with_fault(plan, fault.kind)
    return plan


def with_fault(plan: JobPlan, kind: str) -> JobPlan:
    """The plan of the same job, with one of `PLAN_FAULTS`, or one of `DOWNLOAD_FAULTS` in each download of its result files."""
    if kind in FILE_FAULTS or kind in DOWNLOAD_FAULTS:
        return msgspec.structs.replace(plan, file_faults=msgspec.structs.replace(plan.file_faults, **_file_changes(kind)))
    if kind in VENDOR_FAULTS or kind in WEBHOOK_FAULTS:
        return msgspec.structs.replace(plan, quirks=(*plan.quirks, kind))
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
        "every-failure": {"every_failure": True},
        "stuck-pending": {"queued": plan.timeout},
    }
    return msgspec.structs.replace(plan, **changes[kind])


def _file_changes(kind: str) -> dict[str, Any]:
    changes: dict[str, dict[str, Any]] = {
        "file-gone": {"gone_after": 0.0},
        "file-expires": {"gone_after": EXPIRY, "expires": True},
        "file-forbidden": {"forbidden": True},
        "file-wrong-bytes": {"wrong_bytes": 7},
        "file-wrong-lines": {"wrong_lines": 1},
        "file-unmeasured": {"wrong_bytes": None, "wrong_lines": None},
        "file-truncated": {"missing": 20},
    }
    return changes.get(kind, {"download": kind})


def created_at(moment: float, faults: Iterable[Fault]) -> float:
    """When a job is created that would be at `moment`, by the faults of creation times; a later one never comes earlier."""
    minute = moment // MINUTE
    strikes = any(fault.kind in TIME_FAULTS and fault.chooses(str(int(minute))) for fault in faults)
    return minute * MINUTE if strikes else moment
