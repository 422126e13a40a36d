"""Owns why a job has neither results nor an archive task, for the command line and the API alike."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.jobs.status import is_terminal

EXPLANATIONS: Final = {
    "not_over": "the job is not over yet",
    "no_files": "the job names no result file",
    "off": "`results.archive` is not set in the configuration",
    "account_off": "the configuration leaves this account out",
    "ended_before": "only the results of jobs that end after `results.archive` is set are archived",
}
"""Each reason as the end of a sentence."""


def no_results_reason(job: Mapping[str, Any], *, archiving: bool, archives_account: bool) -> str:
    """The reason, a key of `EXPLANATIONS`. `job` is as a `Reader` gives it.

    `archiving` is whether the configuration archives any results, `archives_account` whether it archives those of the account.
    """
    if not is_terminal(job["status"]) and not job.get("deleted"):
        return "not_over"
    if not job.get("output_file") and not job.get("error_file"):
        return "no_files"
    if not archiving:
        return "off"
    return "ended_before" if archives_account else "account_off"
