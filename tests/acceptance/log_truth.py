"""The log of jobs that a simulated API had, held against what they truly were."""

from datetime import datetime
from itertools import groupby

from tracking import life

from tracker.store.database_file_commands import verify

EVENT_AT = {"batch.created": "created_at", "batch.started": "started_at"} | dict.fromkeys(
    ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"), "completed_at"
)
STATUS_OF = {
    "batch.started": "RUNNING",
    "batch.cancelling": "CANCELLATION_REQUESTED",
    "batch.completed": "SUCCESS",
    "batch.failed": "FAILED",
    "batch.expired": "TIMEOUT_EXCEEDED",
    "batch.cancelled": "CANCELLED",
}
OUTCOMES = {"success": "success", "partial": "partial", "all_failed": "all_failed"}
REQUESTS_OF_A_SWEEP = 4
"""So few jobs are on one page of each list."""


def has_ends_of(submitted):
    def enough(events):
        return submitted.keys() <= jobs_of(event for event in events if event["data"].get("completed_at") is not None)

    return enough


def _of_jobs(events):
    """The events without those of replicas, which PostgreSQL's log has too."""
    return [event for event in events if event["type"].startswith("batch.")]


def jobs_of(events):
    return {event["data"]["id"] for event in _of_jobs(events)}


def check_log(installation, plans, submitted, events, *, life=life, requests=None):
    """Hold the log against the truth.

    `plans` are the jobs' plans by ID, `submitted` is how each was asked to end, `life` gives the states of a plan as the log
    is to have them. `requests` are the moments at which jobs were read, where none of them failed.
    """
    assert verify(installation.database).differences == ()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    events = _of_jobs(events)
    assert jobs_of(events) == submitted.keys()
    for job_id, end in submitted.items():
        plan = plans[job_id]
        history = [event for event in events if event["data"]["id"] == job_id]
        states = life(plan)
        _check_states(states, history, requests)
        _check_types(states, history)
        if history[-1]["type"] == "batch.completed":
            assert history[-1]["outcome"] == OUTCOMES.get(end, "success")


def _check_states(states, history, requests):
    place = 0
    for event in history:
        found = [at for at in range(place, len(states)) if states[at][1] == event["data"]]
        assert found, f"invented, or out of order: {event}"
        place = found[0]
        observed = datetime.fromisoformat(event["observed_at"]).timestamp()
        assert states[place][0] <= observed + 0.01, "no change is seen before it happens"
        if requests is not None and place + 1 < len(states):
            over = states[place + 1][0]
            assert sum(over <= at < observed for at in requests) <= REQUESTS_OF_A_SWEEP, (
                "it was read again before it was logged"
            )
        moment = EVENT_AT.get(event["type"])
        if moment and event["data"][moment] is not None:
            assert event["created_at"] == event["data"][moment]
        assert datetime.fromisoformat(event["timestamp"]).timestamp() == event["created_at"]
    assert place == len(states) - 1, "the log ends with what the job is in the end"


def _statuses(states):
    """What the job's status was, in order, without the one that only repeats its creation."""
    found = [status for status, _ in groupby(state["status"] for _, state in states)]
    return found[1:] if found[0] == "QUEUED" else found


def _check_types(states, history):
    types = [event["type"] for event in history]
    assert types[0] == "batch.created"
    logged = [type_ for type_ in types if type_ in STATUS_OF]
    truth = _statuses(states)
    assert [STATUS_OF[type_] for type_ in logged] == [status for status in truth if status in map(STATUS_OF.get, logged)]
    assert STATUS_OF[logged[-1]] == truth[-1]
    status = None
    for event in history[1:]:
        if "status" in event["changes"]:
            was, is_ = event["changes"]["status"]
            assert was in (status, history[0]["data"]["status"], None)
            status = is_
    assert set(types) - set(STATUS_OF) <= {"batch.created", "batch.progress", "batch.updated", "batch.at_risk"}
    _check_risk(history)


def _check_risk(history):
    """It is reported exactly where an observation takes the share of failed requests to a half."""
    observed = [event for event in history if event["type"] != "batch.at_risk"]
    at_risk = [_is_at_risk(event["data"]) for event in observed]
    wanted = [event["data"] for event, was, is_ in zip(observed, [False, *at_risk], at_risk, strict=False) if is_ and not was]
    assert [event["data"] for event in history if event["type"] == "batch.at_risk"] == wanted


def _is_at_risk(job):
    done = job["succeeded_requests"] + job["failed_requests"]
    return job["status"] == "RUNNING" and done >= 20 and job["failed_requests"] / done >= 0.5
