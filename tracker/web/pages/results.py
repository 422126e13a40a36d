"""Owns the results on the page of a job: failures, files, usage and cost."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracker.core.events.summary import MISSING_FILES
from tracker.core.results.error_sentences import group_message, group_sample
from tracker.core.text.byte_sizes import format_size
from tracker.web.pages.rendering.formatting import number, spaced
from tracker.web.pages.rendering.links import job_file_path
from tracker.web.pages.rendering.status_labels import StatusLabel

_LABELS: Final[Mapping[str, StatusLabel]] = {
    "pending": StatusLabel("queued", "not archived yet", "mute"),
    "archived": StatusLabel("ok", "archived", "ok"),
    "partial": StatusLabel("partial", "archived in part", "warn"),
    "gone": StatusLabel("deleted", "gone", "bad"),
    "forbidden": StatusLabel("failed", "forbidden", "bad"),
    "too_large": StatusLabel("failed", "too large", "bad"),
    "failed": StatusLabel("failed", "not archived", "bad"),
}
_REMOVED: Final = StatusLabel("cancelled", "removed", "mute")


def results_view(job: Mapping[str, Any], results: Mapping[str, Any] | None) -> dict[str, Any]:
    """The variables of `results.html` for `job`; `results` is what `Reader.results` gives."""
    if results is None:
        return {"digest": None, "results": None}
    return {
        "digest": _digest(results["digest"]),
        "results": {
            "label": _REMOVED if results["expired_at"] else _LABELS.get(results["state"], _LABELS["failed"]),
            "at": results["archived_at"],
            "removed_at": results["expired_at"],
            "task": results["task"],
            "task_words": _task(results["task"]),
            "files": list(_files(job, results)),
            "models": list(_models(results["usage"])),
            "has_pages": bool(results["usage"] and results["usage"]["total"]["pages"]),
            "cost": _cost(results["cost"]),
        },
    }


def _digest(digest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The failures; None if there are none, and nothing else to say."""
    if not digest:
        return None
    shown = {
        "groups": [_group(each) for each in digest["groups"]],
        "notes": list(_notes(digest)),
        "errors": digest["job_errors"],
    }
    return shown if any(shown.values()) else None


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    message, about = group_message(group)
    return {
        "message": message,
        "about": " · ".join(about),
        "count": group["count"],
        "custom_ids": group["custom_ids"],
        "more_ids": group["count"] > len(group["custom_ids"]),
        "sample": group_sample(group),
    }


def _notes(digest: Mapping[str, Any]) -> Iterator[str]:
    if digest["other"]:
        others = digest["groups_omitted"]
        ways = "" if not others else " in another way" if others == 1 else f" in {number(others)} other ways"
        yield f"{_counted(digest['other'], 'more request')} failed{ways}."
    if digest["unreadable"]:
        yield f"{_counted(digest['unreadable'], 'line')} could not be read."
    if digest["mismatch"]:
        yield spaced(f"The files and the job's counters differ: {digest['mismatch']}.")


def _task(task: Mapping[str, Any] | None) -> str:
    """The failed attempts of the archive task; empty without any."""
    if not task or not task["attempts"]:
        return ""
    return f"{_counted(task['attempts'], 'attempt')} failed. The last one: {task['detail'] or task['reason'] or 'unknown'}"


def _files(job: Mapping[str, Any], results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for file in results["files"]:
        path = None if results["expired_at"] else job_file_path(job["account"], job["id"], file["kind"])
        size = f"{format_size(file['bytes'])}, {_counted(file['lines'], 'line')}"
        yield {
            "kind": file["kind"],
            "file_id": file["file_id"],
            "size": size,
            "sha256": file["sha256"],
            "path": path,
            "why": "",
        }
    for file in results["missing"]:
        why = MISSING_FILES.get(file["reason"], file["reason"]).replace("`", "")
        why += f": {file['detail']}" if file["detail"] else ""
        yield {"kind": file["kind"], "file_id": file["file_id"], "size": "", "sha256": "", "path": None, "why": why}


def _models(usage: Mapping[str, Any] | None) -> Iterator[tuple[str, Mapping[str, int]]]:
    """The usage of each model, and of all if there are several."""
    if usage:
        yield from usage["by_model"].items()
        if len(usage["by_model"]) > 1:
            yield "All", usage["total"]


def _cost(cost: Mapping[str, Any] | None) -> str:
    """The cost of the usage in one line; "" without prices."""
    if not cost:
        return ""
    amounts = " + ".join(f"{amount} {currency}" for currency, amount in cost["amounts"].items())
    unpriced = f"no price for {', '.join(cost['unpriced_models'])}" if cost["unpriced_models"] else ""
    return "; ".join(filter(None, (amounts, unpriced)))


def _counted(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"
