"""A simulated API whose jobs begin and end when a test says so."""

import msgspec

from tracker.simulator.job_timeline import JobPlan

DAY = 86400.0


def begin(simulator, number=1, *, prefix="", created=100.0, **plan):
    """Add jobs that were created `created` seconds ago and would run for days: their IDs."""
    now = simulator.clock()
    usual = {
        **simulator.catalog.submitted,
        "queued": 0.0,
        "validated": 0.0,
        "running": 20 * DAY,
        "timeout": 40 * DAY,
        "requests": 50,
    } | plan
    ids = []
    for _ in range(number):
        count = len(simulator.workspace.plans)
        made = JobPlan(id=f"{prefix or format(count, '08x')}-0000-4000-8000-{count:012x}", created=now - created, **usual)
        simulator.workspace.add(made)
        ids.append(made.id)
    return ids


def end(simulator, job_id, how="success"):
    """End it a moment ago, in one of the ways that there are."""
    plan = simulator.workspace.plans[job_id]
    now = simulator.clock()
    worked = now - plan.begun
    after = now - plan.created
    simulator.workspace.plans[job_id] = msgspec.structs.replace(
        plan,
        **{
            "success": {"running": worked},
            "partial": {"running": worked, "failures": plan.requests // 5},
            "all_failed": {"running": worked, "failures": plan.requests},
            "empty": {"running": worked, "requests": 0},
            "failed": {"fails_after": after},
            "expired": {"timeout": after},
            "cancelled": {"cancel_at": now},
            "deleted": {"deleted_at": now},
        }[how],
    )
