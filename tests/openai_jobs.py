"""The truth of OpenAI's batches: the status of each, and the job that the log is to have of it, to the field."""

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
"""As its documentation and its client stood in November 2026."""


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
