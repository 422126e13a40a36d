"""What replicas say of their accounts reaches the others, whole; what cannot be read changes nothing."""

import json
from contextlib import asynccontextmanager

from prometheus_client import generate_latest

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.health.readiness import AccountHealth, Health
from tracker.core.reconciliation.sweep_report import Unreadable
from tracker.core.replicas.lease import account_lease
from tracker.daemon.replica_reports import MOST_REPORTED, ReplicaReports, decode_report, encode_report
from tracker.metrics.replicas import ReplicaMetrics

DOWN = Failure(Reason.NETWORK, "connection refused", status=None, retry_after=2.5)
GAP = Unreadable("job x", Failure(Reason.MALFORMED, "no status"), "x", 3)
STATE = AccountHealth(
    swept_at=5, failure=DOWN, failing_since=7, due_at=9, unreadable=(GAP,) * (MOST_REPORTED + 1), clock_ahead=1.5
)


class Leases:
    def __init__(self):
        self.reports = {}

    def report(self, key, report):
        self.reports[key] = report


class Rows:
    """A reader of these replicas and leases; without leases it fails."""

    def __init__(self, leases, replicas=()):
        self.rows, self.live = leases, replicas

    async def replicas(self):
        return [{"name": str(number), "live": live} for number, live in enumerate(self.live)]

    async def leases(self):
        if self.rows is None:
            raise StorageError("down")
        return self.rows


def row(name, holder, report=None, kind="account"):
    return {"kind": kind, "name": name, "holder": holder, "report": report}


async def exchanged(health, rows):
    """What was reported once the health has been exchanged for these rows, and the metrics."""

    @asynccontextmanager
    async def reader():
        yield rows

    leases, metrics = Leases(), ReplicaMetrics()
    metrics.works_under((), is_maintainer=True)
    await ReplicaReports(leases, reader, health, metrics).exchange_once()
    return leases.reports, generate_latest(metrics).decode()


async def test_state_of_an_account_reaches_other_replicas():
    """What one says is what the other shows, but for the number of unreadable parts; an own account is one's own matter."""
    a, b = Health(["one"], replica="a"), Health(["two"], replica="b")
    a.accounts["one"] = STATE
    reports, _ = await exchanged(a, Rows([]))
    reported = json.loads(reports[account_lease("one")])
    rows = [row("one", "a", reported), row("two", "a", reported), row("three", None), row("hook", "a", None, "receiver")]
    await exchanged(b, Rows(rows))
    assert {name: held.holder for name, held in b.elsewhere.items()} == {"one": "a", "three": None}
    shown = b.of("one")
    assert (shown.failure, shown.swept_at, shown.failing_since, shown.due_at, shown.clock_ahead) == (DOWN, 5, 7, 9, 1.5)
    assert shown.unreadable == (GAP,) * MOST_REPORTED
    assert b.of("three") == AccountHealth()


async def test_unheld_leases_are_counted():
    """The replicas that live and the leases without a holder are numbers of the metrics."""
    rows = [row("one", None), row("two", "a"), row("hook", None, kind="receiver"), row("team", None, kind="receiver")]
    _, page = await exchanged(Health(), Rows(rows, replicas=[True, False, True]))
    found = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
    assert found["batchtracker_replicas"] == "2.0"
    assert found['batchtracker_leases_unheld{kind="account"}'] == "1.0"
    assert found['batchtracker_leases_unheld{kind="receiver"}'] == "2.0"


async def test_store_that_fails_changes_nothing():
    """What was known of the others stays, and own accounts are reported nevertheless."""
    health = Health(["one"], replica="a")
    await exchanged(health, Rows([row("two", "b")]))
    before = health.elsewhere
    reports, page = await exchanged(health, Rows(None))
    assert (health.elsewhere, "batchtracker_replicas" in page) == (before, False)
    assert decode_report(json.loads(reports[account_lease("one")])) == AccountHealth()


def test_report_of_another_version_is_unknown():
    """A report in a shape that this version does not know says nothing; properties that it does not know are ignored."""
    assert decode_report(None) == AccountHealth()
    assert decode_report({"failure": {"reason": "a new one", "detail": ""}}) == AccountHealth()
    assert decode_report(json.loads(encode_report(AccountHealth(swept_at=5))) | {"new": 1}) == AccountHealth(swept_at=5)
