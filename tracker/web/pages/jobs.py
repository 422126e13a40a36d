"""Owns the page `/`: the running, queued and ended jobs, with counts, filters and pagination."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.datastructures import QueryParams

from tracker.config import Config
from tracker.core.jobs.status import ACTIVE, QUEUED, TERMINAL, is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import JobFilter, in_display_order
from tracker.core.queries.pagination import JobKey
from tracker.web.daemon_interface import Daemon
from tracker.web.forecasts import with_outlooks
from tracker.web.pages.rendering.filter_pills import Pill
from tracker.web.pages.rendering.links import link
from tracker.web.pages.rendering.page_cursors import decode_cursor, encode_cursor
from tracker.web.pages.rendering.status_labels import label_of_status

PAGE_SIZE: Final = 50
"""Jobs of each kind on a page."""

FIRST_ACTIVE: Final = 15
"""Active jobs that are shown above ended ones, so that these are on the first screen."""


class ActiveCursor(NamedTuple):
    """A position among the active jobs: whether among the queued ones, and the job before it; None for the first."""

    queued: bool = False
    after: JobKey | None = None


class Part(NamedTuple):
    """The active or the ended jobs of a page, and the links to their next and first page."""

    jobs: Sequence[Mapping[str, Any]]
    more: str | None
    first: str
    is_later: bool


class JobsPageFilter(NamedTuple):
    """The filter in the URL."""

    account: str | None
    provider: str | None
    statuses: tuple[str, ...]
    active: bool | None
    model: str | None
    text: str

    @property
    def narrowed(self) -> bool:
        return any((self.account, self.provider, self.statuses, self.active is not None, self.model, self.text))

    def of(self, *, active: bool) -> JobFilter:
        return JobFilter(
            account=self.account,
            provider=self.provider,
            statuses=self.statuses,
            active=active,
            model=self.model,
            text=self.text,
        )

    def wants(self, *, active: bool) -> bool:
        if self.active is not None and self.active != active:
            return False
        return not self.statuses or any(is_terminal(status) != active for status in self.statuses)


def parse_query(query: QueryParams) -> JobsPageFilter:
    return JobsPageFilter(
        account=query.get("account") or None,
        provider=query.get("provider") or None,
        statuses=tuple(status for status in query.getlist("status") if status),
        active={"true": True, "false": False}.get(query.get("active", "")),
        model=query.get("model") or None,
        text=query.get("text", "").strip(),
    )


async def jobs_page(reader: Reader, daemon: Daemon, query: QueryParams) -> dict[str, Any]:
    """The variables of `jobs.html`."""
    wanted = parse_query(query)
    counts = await reader.job_counts()
    later_active, later_ended = (
        decode_cursor(query.get("active_after"), ActiveCursor),
        decode_cursor(query.get("after"), JobKey),
    )
    parts: dict[str, Part | None] = {"active": None, "ended": None}
    shows_active, shows_ended = wanted.wants(active=True) and not later_ended, wanted.wants(active=False) and not later_active
    if shows_active:
        statuses = {status for of_account in counts.values() for status in of_account}
        most = FIRST_ACTIVE if shows_ended else PAGE_SIZE
        filters = in_display_order(wanted.of(active=True), statuses)
        jobs, cursor = await _active(reader, filters, later_active or ActiveCursor(), most)
        parts["active"] = _part(await with_outlooks(daemon, reader, jobs), cursor, query, "active_after")
    if shows_ended:
        page = await reader.jobs_page(later_ended, in_display_order(wanted.of(active=False), ())[-1], PAGE_SIZE)
        parts["ended"] = _part(await with_outlooks(daemon, reader, page.jobs), page.next, query, "after")
    totals = _sum_counts(_counted(counts, wanted, daemon.config))
    return {
        **parts,
        "all_active": link("/", query, active="true"),
        "asked": wanted,
        "narrowed": wanted.narrowed,
        "pills": _pills(totals, wanted, query),
        "total": sum(totals.values()),
        "moving": sum(count for status, count in totals.items() if not is_terminal(status) and status != "deleted"),
        "swept": [{"name": each.name, "at": _iso(daemon.health.of(each.name).swept_at)} for each in daemon.config.accounts],
    }


async def _active(
    reader: Reader, parts: Sequence[JobFilter], cursor: ActiveCursor, most: int
) -> tuple[list[dict[str, Any]], ActiveCursor | None]:
    """Up to `most` jobs of `parts` from `cursor` on, and the cursor after them; None if none are left."""
    found: list[dict[str, Any]] = []
    for part in parts:
        queued = QUEUED in part.statuses
        if queued < cursor.queued:
            continue
        after = cursor.after if queued == cursor.queued else None
        page = await reader.jobs_page(after, part, max(1, most - len(found)))
        if len(found) == most and (page.jobs or page.next):
            return found, ActiveCursor(queued, after)
        found += page.jobs
        if page.next:
            return found, ActiveCursor(queued, page.next)
    return found, None


def _part(jobs: list[dict[str, Any]], following: object, query: QueryParams, place: str) -> Part:
    return Part(
        jobs=jobs,
        more=link("/", query, **{place: encode_cursor(following)}) if following else None,
        first=link("/", query, **{place: None}),
        is_later=bool(query.get(place)),
    )


def _pills(counts: Mapping[str, int], wanted: JobsPageFilter, query: QueryParams) -> list[Pill]:
    def href(**changed: str | None) -> str:
        cleared: dict[str, str | None] = {"status": None, "active": None, "after": None, "active_after": None}
        return link("/", query, **cleared | changed)

    known = {status: many for status, many in counts.items() if status != "deleted"}
    shown = [status for status in in_order({*known, *wanted.statuses}) if known.get(status) or status in wanted.statuses]
    moving = sum(many for status, many in known.items() if not is_terminal(status))
    return [
        Pill("All", href(), not wanted.statuses and wanted.active is None, sum(counts.values())),
        Pill("Active", href(active="true"), wanted.active is True, moving),
        *(
            Pill(status, href(status=status), wanted.statuses == (status,), known.get(status, 0), label_of_status(status))
            for status in shown
        ),
    ]


def in_order(statuses: Iterable[str]) -> list[str]:
    """The statuses in the order of a job's life, unknown ones among the active ones."""
    known = {*statuses}
    return [each for each in (*ACTIVE, *sorted(known - {*ACTIVE, *TERMINAL}), *TERMINAL) if each in known]


def _counted(counts: Mapping[str, Mapping[str, int]], wanted: JobsPageFilter, config: Config) -> Iterator[Mapping[str, int]]:
    """The counts by status of each account that the filter wants: those of a vendor are its accounts, as configured now."""
    providers = {each.name: each.provider for each in config.accounts}
    for account, by_status in counts.items():
        if wanted.account in (None, account) and wanted.provider in (None, providers.get(account)):
            yield by_status


def _sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for by_status in counts:
        for status, count in by_status.items():
            totals[status] = totals.get(status, 0) + count
    return totals


def _iso(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
