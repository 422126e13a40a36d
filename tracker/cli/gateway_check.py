"""Owns what `check --online` finds that an account's API lacks: many gateways offer less than the vendor that they imitate."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import COUNTERS, Page, PartialJob
from tracker.core.jobs.status import ACTIVE, is_terminal
from tracker.core.ports.provider import ListQuery, Provider

_FILTERED: Final = ListQuery(statuses=ACTIVE)


class Limitation(NamedTuple):
    """What an API lacks, in words, and whether no sweep can be complete without it."""

    text: str
    hinders_sweeps: bool = False


async def limitations(provider: Provider, first: Page) -> AsyncIterator[Limitation]:
    """What the API lacks, by its `first` page and by up to two requests more, each of which the vendor itself would answer."""
    if partial := [job for job in first.jobs if isinstance(job, PartialJob)]:
        yield Limitation(f"{len(partial)} of the {len(first)} jobs on the page have no {_what_lacks(partial)}")
    if first.next_token is not None:
        second = await provider.list_jobs(ListQuery(), first.next_token, provider.capabilities.page_size)
        if lacks := _lacks_pages(first, second):
            yield lacks
    if provider.capabilities.filters_statuses:
        found = await provider.list_jobs(_FILTERED, None, provider.capabilities.page_size)
        if lacks := _lacks_filter(found):
            yield lacks


def _what_lacks(jobs: list[PartialJob]) -> str:
    absent = {name for job in jobs for name in job.absent}
    named = [text for text, names in (("counters", COUNTERS), ("creation time", ("created_at",))) if absent.intersection(names)]
    return " and no ".join(named)


def _lacks_pages(first: Page, second: Page | Failure) -> Limitation | None:
    if isinstance(second, Failure):
        return Limitation(f"the second page of the list fails: {second.reason}: {second.detail}", hinders_sweeps=True)
    if not second.jobs or {job.id for job in second.jobs} - {job.id for job in first.jobs}:
        return None
    if first.next_is_guessed:
        return Limitation(f"it ignores the page token: of the list only the first {len(first)} jobs can be read")
    return Limitation("it says that there are more jobs, but ignores the page token and shows none", hinders_sweeps=True)


def _lacks_filter(found: Page | Failure) -> Limitation | None:
    if isinstance(found, Failure):
        return Limitation(f"it refuses a list of some statuses: {found.reason}: {found.detail}", hinders_sweeps=True)
    if any(is_terminal(job.status) for job in found.jobs):
        return Limitation("it ignores the filter of statuses: a sweep takes more requests than it has to")
    return None
