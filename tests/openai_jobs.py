"""The truth of simulated OpenAI batches: the jobs that the log is to have of them, to the field."""

from tracking import SAMPLE

from tracker.simulator.job_timeline import exists
from tracker.simulator.vendors.openai.batch_objects import batch_at

STATUS_OF = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "cancelling": "CANCELLATION_REQUESTED",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelled": "CANCELLED",
}


def job_of(batch):
    """The job, as JSON, that a batch which says everything is."""
    counts, status = batch["request_counts"], batch["status"]
    return {
        "id": batch["id"],
        "object": "batch",
        "input_files": [batch["input_file_id"]],
        "endpoint": batch["endpoint"],
        "model": batch["model"],
        "output_file": batch["output_file_id"],
        "error_file": batch["error_file_id"],
        "status": STATUS_OF[status],
        "created_at": batch["created_at"],
        "started_at": batch["in_progress_at"],
        "completed_at": batch[f"{status}_at"] if status in ("completed", "failed", "expired", "cancelled") else None,
        "metadata": batch["metadata"],
        "total_requests": counts["total"],
        "completed_requests": counts["completed"] + counts["failed"],
        "succeeded_requests": counts["completed"],
        "failed_requests": counts["failed"],
        "agent_id": None,
        "errors": batch["errors"]["data"] if batch["errors"] else [],
        "outputs": None,
        "provider": "openai",
        "native": batch,
        "expires_at": batch["expires_at"],
    }


def openai_life(plan):
    """All that the batch ever was as a job: each state, and the moment from which on it was that."""
    states = []
    steps = round((plan.ended - plan.created) / SAMPLE) + 2
    for at in [plan.created + step * SAMPLE for step in range(steps)] + [plan.ended]:
        if not exists(plan, at):
            break
        batch = batch_at(plan, at)
        if not states or batch != states[-1][1]["native"]:
            states.append((at, job_of(batch)))
    return states
