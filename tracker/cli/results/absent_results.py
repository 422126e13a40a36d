"""Owns what `results` shows of a job without results: neither an archive task nor an outcome."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.config import ResultsAccess
from tracker.core.results.no_results_reason import EXPLANATIONS, no_results_reason

_NOTHING: Final = dict.fromkeys(("archived_at", "expired_at", "digest", "usage", "cost", "task"))


def absent_results(job: Mapping[str, Any], access: ResultsAccess) -> dict[str, Any]:
    """The JSON of a `job` without results: the keys of results, with the state "none" and a `reason`."""
    archives_account = access.archives(job["account"])
    reason = no_results_reason(job, archiving=bool(access.results.archive), archives_account=archives_account)
    known = {"account": job["account"], "job": job["id"], "state": "none", "reason": reason}
    return {**known, "files": [], "missing": [], **_NOTHING}


def explain_absence(results: Mapping[str, Any]) -> str:
    """The `reason` as a sentence."""
    return f"Nothing is archived: {EXPLANATIONS[results['reason']]}."
