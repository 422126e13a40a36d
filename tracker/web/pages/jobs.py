"""Owns the page `/`: the jobs that run, those that wait, those that have ended, with counts, filters and pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from starlette.datastructures import QueryParams

from tracker.core.jobs.status import ACTIVE, QUEUED, TERMINAL, is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import JobFilter, in_turn
from tracker.core.queries.pages import JobKey
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.formatting import Sign, sign_of_status
from tracker.web.pages.links import decoded, encoded, link

PAGE: Final = 50
"""Jobs of either kind, however many there are."""

FIRST_ACTIVE: Final = 15
"""Active jobs above ended ones, so that these are within reach."""


class Pill(NamedTuple):
    """A link that narrows the page; `key` is its name where it has no sign."""

    key: str
    href: str
    chosen: bool
    many: int | None = None
    sign: Sign | None = None


class ActivePlace(NamedTuple):
    """A place among the active jobs: whether among those that wait, and the job after which to go on; None for the first."""

    waits: bool = False
    after: JobKey | None = None


class Part(NamedTuple):
    """The active or the ended jobs of a page, and the links to their next and first page."""

    jobs: Sequence[Mapping[str, Any]]
    more: str | None
    first: str
    is_later: bool


class Asked(NamedTuple):
    """What the URL asks for."""

    account: str | None
    statuses: tuple[str, ...]
    active: bool | None
    model: str | None
    text: str

    @property
    def narrowed(self) -> bool:
        return any((self.account, self.statuses, self.active is not None, self.model, self.text))

    def of(self, *, active: bool) -> JobFilter:
        return JobFilter(account=self.account, statuses=self.statuses, active=active, model=self.model, text=self.text)

    def wants(self, *, active: bool) -> bool:
        if self.active is not None and self.active != active:
            return False
        return not self.statuses or any(is_terminal(status) != active for status in self.statuses)


def asked(query: QueryParams) -> Asked:
    return Asked(
        account=query.get("account") or None,
        statuses=tuple(status for status in query.getlist("status") if status),
        active={"true": True, "false": False}.get(query.get("active", "")),
        model=query.get("model") or None,
        text=query.get("text", "").strip(),
    )


async def jobs_page(reader: Reader, tracker: Tracker, query: QueryParams) -> dict[str, Any]:
    """What `jobs.html` shows."""
    wanted = asked(query)
    counts = await reader.job_counts()
    later_active, later_ended = decoded(query.get("active_after"), ActivePlace), decoded(query.get("after"), JobKey)
    parts: dict[str, Part | None] = {"active": None, "ended": None}
    shows_active, shows_ended = wanted.wants(active=True) and not later_ended, wanted.wants(active=False) and not later_active
    if shows_active:
        statuses = {status for of_account in counts.values() for status in of_account}
        most = FIRST_ACTIVE if shows_ended else PAGE
        filters = in_turn(wanted.of(active=True), statuses)
        jobs, place = await _active(reader, filters, later_active or ActivePlace(), most)
        parts["active"] = _part(jobs, place, tracker, query, "active_after")
    if shows_ended:
        page = await reader.jobs_page(later_ended, in_turn(wanted.of(active=False), ())[-1], PAGE)
        parts["ended"] = _part(page.jobs, page.next, tracker, query, "after")
    together = _together(counts, wanted.account)
    return {
        **parts,
        "all_active": link("/", query, active="true"),
        "asked": wanted,
        "narrowed": wanted.narrowed,
        "pills": _pills(together, wanted, query),
        "total": sum(together.values()),
        "moving": sum(count for status, count in together.items() if not is_terminal(status) and status != "deleted"),
        "swept": [{"name": name, "at": _iso(state.swept_at)} for name, state in tracker.health.accounts.items()],
    }


def with_outlook(job: Mapping[str, Any], tracker: Tracker) -> dict[str, Any]:
    """The job with its `deadline_at`, `rate` and `eta`."""
    return {**job, **msgspec.structs.asdict(tracker.outlook(job))}


async def _active(
    reader: Reader, parts: Sequence[JobFilter], place: ActivePlace, most: int
) -> tuple[list[dict[str, Any]], ActivePlace | None]:
    """Up to `most` jobs of `parts` from `place` on, and the place after them; None where nothing is left."""
    found: list[dict[str, Any]] = []
    for part in parts:
        waits = QUEUED in part.statuses
        if waits < place.waits:
            continue
        after = place.after if waits == place.waits else None
        page = await reader.jobs_page(after, part, max(1, most - len(found)))
        if len(found) == most and (page.jobs or page.next):
            return found, ActivePlace(waits, after)
        found += page.jobs
        if page.next:
            return found, ActivePlace(waits, page.next)
    return found, None


def _part(jobs: Sequence[Mapping[str, Any]], following: object, tracker: Tracker, query: QueryParams, place: str) -> Part:
    return Part(
        jobs=[with_outlook(job, tracker) for job in jobs],
        more=link("/", query, **{place: encoded(following)}) if following else None,
        first=link("/", query, **{place: None}),
        is_later=bool(query.get(place)),
    )


def _pills(counts: Mapping[str, int], wanted: Asked, query: QueryParams) -> list[Pill]:
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
            Pill(status, href(status=status), wanted.statuses == (status,), known.get(status, 0), sign_of_status(status))
            for status in shown
        ),
    ]


def in_order(statuses: Iterable[str]) -> list[str]:
    """The statuses in the order of a job's life, unknown ones among the active ones."""
    known = {*statuses}
    return [each for each in (*ACTIVE, *sorted(known - {*ACTIVE, *TERMINAL}), *TERMINAL) if each in known]


def _together(counts: Mapping[str, Mapping[str, int]], account: str | None) -> dict[str, int]:
    """The counts by status of one account, or of all."""
    together: dict[str, int] = {}
    for name, of_account in counts.items():
        if account in (None, name):
            for status, count in of_account.items():
                together[status] = together.get(status, 0) + count
    return together


def _iso(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
