"""Owns the results of one job as a person reads them: the state of its files, why requests failed, usage and cost."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tracker.cli.formatting import colored_text, job_description, quantities, table_layout
from tracker.cli.formatting.printing import wrapped
from tracker.cli.formatting.table_layout import Column
from tracker.cli.formatting.terminal import PIPED_WIDTH
from tracker.cli.results.absent_results import explain_absence
from tracker.cli.results.usage_table import usage_table
from tracker.core.events.summary import MISSING_FILES
from tracker.core.jobs.request_errors import error_sentences
from tracker.core.results.cost import Price
from tracker.core.results.error_sentences import group_sample, group_sentence
from tracker.core.results.usage_report import UsageReport
from tracker.core.text.escaping import plain

_ERRORS_SHOWN: Final = 5
"""Of the job's own errors, where there is no digest."""

_STATES: Final = {
    "archived": "Results archived at {at}",
    "partial": "Results archived in part at {at}",
    "gone": "Results are gone: the API had none of the files at {at}",
    "forbidden": "Results cannot be read with this key, as of {at}",
    "too_large": "Results are larger than `max_file`, as of {at}",
    "failed": "Results could not be downloaded, as of {at}",
}


def print_results(console: Console, job: Mapping[str, Any], results: Mapping[str, Any], prices: Sequence[Price]) -> None:
    """Print the results of `job`, as `Reader.results` or `absent_results` gives them; `prices` are those of today."""
    console.print(
        Text.assemble((plain(job["id"]), "bold"), "  ", colored_text.status(job), "  ", job_description.progress(job))
    )
    for line in _state(results):
        _print_line(console, Text(plain(line)))
    for error in _errors(job, results["digest"]):
        _print_line(console, error)
    if results["usage"]:
        report = UsageReport("model", prices)
        report.add(results)
        _print_section(console, "Usage")
        console.print(usage_table(report, console.width))
    if files := [*_files(results)]:
        _print_section(console, "Files")
        console.print(table_layout.table((Column(""), Column("", most=PIPED_WIDTH, shrinks=True)), files, console.width))


def _print_line(console: Console, line: Text) -> None:
    """Print the line, which is whole in a pipe, and wrapped on a terminal."""
    words = line.plain.lstrip()
    indent = line.plain[: len(line.plain) - len(words)]
    for part in [line.plain] if console.width >= PIPED_WIDTH else wrapped([words], indent) or [""]:
        console.print(Text(part, style=line.style), soft_wrap=True)


def _print_section(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold"))


def _state(results: Mapping[str, Any]) -> Iterator[str]:
    if results["state"] == "none":
        yield explain_absence(results)
    elif results["state"] != "pending":
        yield _STATES.get(results["state"], "Results at {at}").format(at=quantities.moment(results["archived_at"]))
    if task := results.get("task"):
        yield _task(task, again=results["state"] != "pending")
    if results["expired_at"]:
        yield f"The files were removed at {quantities.moment(results['expired_at'])}, as `results.keep` says"


def _task(task: Mapping[str, Any], *, again: bool) -> str:
    """The archive task: since when it waits, and why it failed so far."""
    what = "Another file has waited" if again else "Results have waited"
    words = f"{what} to be archived since {quantities.moment(task['created_at'])}"
    if not task["attempts"]:
        return words
    failed = "1 failed attempt" if task["attempts"] == 1 else f"{task['attempts']:,} failed attempts"
    reason = plain(task["detail"] or task["reason"] or "unknown")
    return f"{words}: {failed}, the last one: {reason}; the next one is at {quantities.moment(task['due_at'])}"


def _errors(job: Mapping[str, Any], digest: Mapping[str, Any] | None) -> Iterator[Text]:
    """Why requests failed, a blank line before it; nothing if none did."""
    lines = [*_digest(digest)] if digest else [Text(f"  {line}", style="red") for line in error_sentences(job, _ERRORS_SHOWN)]
    if lines:
        yield Text()
        yield Text("Why requests failed", style="bold")
        yield from lines


def _digest(digest: Mapping[str, Any]) -> Iterator[Text]:
    for group in digest["groups"]:
        yield Text(f"  {plain(group_sentence(group))}", style="red")
        if ids := group["custom_ids"]:
            more = ", …" if len(ids) < group["count"] else ""
            yield Text(f"    custom_id: {', '.join(map(plain, ids))}{more}", style="dim")
        if sample := group_sample(group):
            yield Text(f"    such as: {plain(sample)}", style="dim")
    if digest["other"]:
        kinds = f" in {digest['groups_omitted']:,} other ways" if digest["groups_omitted"] else " otherwise"
        yield Text(f"  {_requests(digest['other'])} failed{kinds}", style="red")
    for error in digest["job_errors"]:
        yield Text(f"  reported by the job: {plain(error)}", style="red")
    if digest["unreadable"]:
        lines = "1 line" if digest["unreadable"] == 1 else f"{digest['unreadable']:,} lines"
        yield Text(f"  {lines} could not be read", style="yellow")
    if digest["mismatch"]:
        yield Text(f"  the counters differ: {plain(digest['mismatch'])}", style="yellow")


def _files(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for file in results["files"]:
        lines = "1 line" if file["lines"] == 1 else f"{file['lines']:,} lines"
        yield plain(file["kind"]), f"{plain(file['file_id'])}, {quantities.size(file['bytes'])}, {lines}"
        yield "", f"sha256 {plain(file['sha256'])}"
        if not results["expired_at"]:
            yield "", plain(file["location"])
    for file in results["missing"]:
        why = MISSING_FILES.get(file["reason"], file["reason"])
        detail = f": {file['detail']}" if file["detail"] else ""
        yield plain(file["kind"]), plain(f"{file['file_id']} {why}{detail}")


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"
