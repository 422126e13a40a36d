"""The truth of simulated batches of OpenAI, Anthropic and Gemini: the jobs that the log is to have of them, to the field."""

from datetime import datetime
from functools import partial

from openai_jobs import job_of
from tracking import SAMPLE

from tracker.simulator.job_timeline import exists
from tracker.simulator.vendors.anthropic.batch_objects import batch_at
from tracker.simulator.vendors.gemini.operations import operation_at
from tracker.simulator.vendors.openai import batch_objects as openai


def openai_life():
    """All that a batch ever was as a job, by its plan; see `_life`."""
    return partial(_life, openai.batch_at, job_of)


def anthropic_life(url):
    """All that a batch ever was as a job, by its plan, at the API of this URL; see `_life`."""
    return partial(_life, lambda plan, at: batch_at(plan, at, url + "/"), job_of_batch)


def gemini_life():
    """All that an operation ever was as a job, by its plan; see `_life`."""
    return partial(_life, operation_at, job_of_operation)


def job_of_batch(batch):
    """The job, as JSON, that a MessageBatch which says everything is."""
    counts, created = batch["request_counts"], _seconds(batch["created_at"])
    over, failed = batch["ended_at"] is not None, counts["errored"] + counts["canceled"] + counts["expired"]
    end = "CANCELLED" if counts["canceled"] else "TIMEOUT_EXCEEDED" if counts["expired"] else "SUCCESS"
    active = {"in_progress": "RUNNING", "canceling": "CANCELLATION_REQUESTED"}
    return {
        "id": batch["id"],
        "object": "batch",
        "input_files": [],
        "endpoint": "/v1/messages",
        "model": None,
        "output_file": batch["id"] + "/results" if over else None,
        "error_file": None,
        "status": end if over else active[batch["processing_status"]],
        "created_at": created,
        "started_at": None,
        "completed_at": _seconds(batch["ended_at"]) if over else None,
        "metadata": None,
        "total_requests": sum(counts.values()),
        "completed_requests": counts["succeeded"] + failed,
        "succeeded_requests": counts["succeeded"],
        "failed_requests": failed,
        "provider": "anthropic",
        "native": batch,
        "expires_at": _seconds(batch["expires_at"]),
    }


def job_of_operation(operation):
    """The job, as JSON, that an operation which says everything is."""
    batch = operation["metadata"]
    stats = {name: int(count) for name, count in batch.get("batchStats", {}).items()}
    succeeded, failed = stats.get("successfulRequestCount", 0), stats.get("failedRequestCount", 0)
    statuses = {"PENDING": "QUEUED", "SUCCEEDED": "SUCCESS", "EXPIRED": "TIMEOUT_EXCEEDED"}
    state, created = batch["state"].removeprefix("BATCH_STATE_"), _seconds(batch["createTime"])
    error = operation.get("error")
    return {
        "id": operation["name"],
        "object": "batch",
        "input_files": [batch["inputConfig"]["fileName"]],
        "endpoint": "generateContent",
        "model": batch["model"].removeprefix("models/"),
        "output_file": batch.get("output", {}).get("responsesFile"),
        "error_file": None,
        "status": statuses.get(state, state),
        "created_at": created,
        "started_at": None,
        "completed_at": _seconds(batch["endTime"]) if "endTime" in batch else None,
        "metadata": {"displayName": batch["displayName"]},
        "total_requests": stats.get("requestCount", 0),
        "completed_requests": succeeded + failed,
        "succeeded_requests": succeeded,
        "failed_requests": failed,
        "errors": [{"message": error["message"], "count": 1}] if error else [],
        "provider": "gemini",
        "native": operation,
        "expires_at": created + 48 * 3600,
    }


def _life(show, job_of, plan):
    """Each state, and the moment from which on it was that."""
    states = []
    steps = round((plan.ended - plan.created) / SAMPLE) + 2
    for at in [plan.created + step * SAMPLE for step in range(steps)] + [plan.ended]:
        if not exists(plan, at):
            break
        shown = show(plan, at)
        if not states or shown != states[-1][1]["native"]:
            states.append((at, job_of(shown)))
    return states


def _seconds(text):
    return int(datetime.fromisoformat(text).timestamp())
