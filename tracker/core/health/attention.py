"""Owns the list of what needs a person: each concern with how much of it there is, and of what."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.core.queries.overview import Overview
from tracker.core.replicas.lease import LeaseKey

Kind = Literal[
    "daemon",
    "leases_unheld",
    "accounts_failing",
    "accounts_unreadable",
    "accounts_removed",
    "receivers_failing",
    "receivers_removed",
    "dead_deliveries",
    "jobs_stalled",
    "jobs_at_risk",
    "jobs_near_deadline",
    "results_missing",
]
Severity = Literal["bad", "warn"]

MOST_NAMES: Final = 20
"""Names of one concern that are listed."""


class Words(NamedTuple):
    """How severe a concern is, and what it is called where there is one of it and where there are several."""

    severity: Severity
    one: str
    several: str


WORDS: Final[Mapping[Kind, Words]] = {
    "daemon": Words("bad", "the daemon is not ready", "the daemon is not ready, for {} reasons"),
    "leases_unheld": Words("bad", "1 account or receiver without a replica", "{} accounts and receivers without a replica"),
    "accounts_failing": Words("bad", "1 account cannot be read", "{} accounts cannot be read"),
    "accounts_unreadable": Words("warn", "1 account is read only in part", "{} accounts are read only in part"),
    "accounts_removed": Words("warn", "1 removed account has active jobs", "{} removed accounts have active jobs"),
    "receivers_failing": Words("bad", "1 receiver fails", "{} receivers fail"),
    "receivers_removed": Words("warn", "1 removed receiver has deliveries", "{} removed receivers have deliveries"),
    "dead_deliveries": Words("warn", "1 delivery is given up", "{} deliveries are given up"),
    "jobs_stalled": Words("warn", "1 job is stalled", "{} jobs are stalled"),
    "jobs_at_risk": Words("warn", "1 job is at risk of failing", "{} jobs are at risk of failing"),
    "jobs_near_deadline": Words("warn", "1 job is near its deadline", "{} jobs are near their deadline"),
    "results_missing": Words("warn", "1 job lacks result files", "{} jobs lack result files"),
}
"""Every kind, in the order of the list."""


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of what needs a person: how many there are, and the first names, of jobs their accounts and IDs."""

    kind: Kind
    severity: Severity
    count: int
    text: str
    names: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()


class Findings(NamedTuple):
    """What the list is made of. `failed_shares` are the limits by account; the shares of others count from a half on."""

    overview: Overview
    circuits: Mapping[str, Circuit]
    dead: Mapping[str, int]
    orphans: Orphans = Orphans()
    failing_accounts: Sequence[str] = ()
    unreadable_accounts: Sequence[str] = ()
    unheld: Sequence[LeaseKey] = ()
    not_ready_because: Sequence[str] = ()
    failed_shares: Mapping[str, float | None] = {}


def concerns(findings: Findings) -> list[Concern]:
    """What needs a person, the worst first."""
    named: Mapping[Kind, Collection[str]] = {
        "daemon": findings.not_ready_because,
        "leases_unheld": [key.name for key in findings.unheld],
        "accounts_failing": findings.failing_accounts,
        "accounts_unreadable": findings.unreadable_accounts,
        "accounts_removed": [*findings.orphans.accounts],
        "receivers_failing": [name for name, circuit in findings.circuits.items() if circuit.is_open],
        "receivers_removed": [*findings.orphans.receivers],
        "dead_deliveries": [*findings.dead],
    }
    jobs: Mapping[Kind, Sequence[tuple[str, str]]] = {
        "jobs_stalled": findings.overview.stalled,
        "jobs_at_risk": list(_at_risk(findings)),
        "jobs_near_deadline": findings.overview.near_deadline,
    }
    counts: Mapping[Kind, int] = {
        **{kind: len(names) for kind, names in named.items()},
        **{kind: len(found) for kind, found in jobs.items()},
        "dead_deliveries": sum(findings.dead.values()),
        "results_missing": findings.overview.missing_results,
    }
    found = [_concern(kind, counts[kind], named.get(kind, ()), jobs.get(kind, ())) for kind in WORDS if counts[kind]]
    return sorted(found, key=lambda each: each.severity)


def _at_risk(findings: Findings) -> Iterator[tuple[str, str]]:
    for job in findings.overview.failing:
        limit = findings.failed_shares.get(job.account, 0.5)
        if limit is not None and job.share >= limit:
            yield job.account, job.id


def _concern(kind: Kind, count: int, names: Collection[str], jobs: Sequence[tuple[str, str]]) -> Concern:
    words = WORDS[kind]
    return Concern(
        kind=kind,
        severity=words.severity,
        count=count,
        text=words.one if count == 1 else words.several.format(f"{count:,}"),
        names=tuple(names)[:MOST_NAMES],
        jobs=tuple(jobs[:MOST_NAMES]),
    )
