"""Owns the end of the demo: what was logged, what all jobs have used, and why requests of one of them failed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from tracker.cli.results.usage_table import usage_table
from tracker.core.events.event_type_table import END_TYPES
from tracker.core.jobs.short_id import short_id
from tracker.core.ports.reader import Reader
from tracker.core.results.error_sentences import digest_sentences
from tracker.core.results.usage_report import UsageReport
from tracker.core.text.escaping import plain

_MOST_JOBS: Final = 100_000
_ERRORS_SHOWN: Final = 3


class DemoResults(NamedTuple):
    """The usage of all jobs whose results are archived, and the results of the one with the most failed requests."""

    usage: UsageReport
    worst: Mapping[str, Any] | None


async def read_demo_results(reader: Reader) -> DemoResults:
    """What the archive has by now."""
    page = await reader.results_page(None, None, 0, _MOST_JOBS)
    usage = UsageReport("model")
    for results in page.results:
        usage.add(results)
    failed = [results for results in page.results if results["digest"] and results["digest"]["groups"]]
    return DemoResults(usage, max(failed, key=lambda results: results["digest"]["failed"], default=None))


def demo_summary(events: Counter[str], requests: int, results: DemoResults, width: int) -> Iterator[RenderableType]:
    """What to print on a console of `width` columns; `events` by their type."""
    if count := results.usage.total.jobs:
        yield f"\nUsage in the archived results of {'1 job' if count == 1 else f'{count} jobs'}:"
        yield usage_table(results.usage, width, jobs=True)
    if worst := results.worst:
        yield f"\nWhy {worst['digest']['failed']} requests of job {short_id(plain(worst['job']))} failed:"
        for sentence in digest_sentences(worst["digest"], _ERRORS_SHOWN):
            yield Text(f"  {sentence}", style="red")
    jobs, ended = events["batch.created"], sum(events[end] for end in END_TYPES)
    yield (
        f"\n{sum(events.values())} events of {jobs} jobs logged, {ended} jobs have ended; "
        f"{requests} requests to the APIs.\n"
        "Next: set MISTRAL_API_KEY and run `batch-tracker run`, or develop against `batch-tracker simulate`."
    )
