"""The pages of several replicas together: their sum is the page of one process that works alone."""

from collections import Counter

import msgspec
import pytest
from job_changes import SINCE, moved, seen
from metrics_reading import samples

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import plain_event
from tracker.core.reconciliation.sweep_report import Report
from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease
from tracker.core.results.archive_outcome import Results
from tracker.metrics import ExportedElsewhere, Metrics
from tracker.store.opening import open_statistics, open_store

ACCOUNTS = {"one": 15.0, "two": 60.0, "three": 15.0}
RECEIVERS = ("pipeline", "team")
GOOD = Report(events=0, shown=1, stale=2, malformed=(), failure=None)

OF_EACH_PROCESS = (
    *("python_", "process_", "batchtracker_storage_", "batchtracker_config_", "batchtracker_build_info"),
    "batchtracker_metrics_errors",
)
"""What begins so says something of one process, and has its instance's label in Prometheus."""

OF_REPLICAS = ("batchtracker_replica", "batchtracker_lease")
"""What only replicas have."""


def of_the_log(page):
    """The values that several pages have in common."""
    apart = OF_EACH_PROCESS + OF_REPLICAS
    return {key: value for key, value in samples(page).items() if not key[0].startswith(apart)}


class Replica:
    """The metrics of one process, which works for these accounts and receivers of the configuration."""

    def __init__(self, store, path, accounts, receivers, *, maintains, alone=False):
        self.accounts, self.receivers, self.maintains = accounts, receivers, maintains
        self.metrics = Metrics(open_statistics(path), is_replica=not alone)
        self.metrics.active.read_from(store.active_jobs_snapshot)
        self.metrics.configured(
            {name: ACCOUNTS[name] for name in accounts},
            receivers,
            pending_limits=dict.fromkeys(accounts, 1000),
            elsewhere=ExportedElsewhere([*ACCOUNTS], RECEIVERS, log=not maintains),
        )

    def work(self):
        """Count what its loops would."""
        for account in self.accounts:
            change = seen("job-1", account=account, total_requests=4, model="small")
            for each in (change, moved(change, status="SUCCESS", completed_requests=4)):
                for event in each.events:
                    self.metrics.logged(event)
            self.metrics.has_active(account, [change.known.job])
            self.metrics.accounts.answered(account, "list", "200", 0.5)
            self.metrics.swept(account, GOOD, SINCE, 1.0)
            self.metrics.results.archived(Results(account=account, job_id="job-1", archived_at=SINCE))
        for receiver in self.receivers:
            event = plain_event("receiver.failing", "", {"receiver": receiver}, SINCE)
            self.metrics.logged(event)
            self.metrics.deliveries.settled(settlement(receiver, event))


def settlement(receiver, event):
    delivery = Delivery(
        receiver=receiver, seq=1, event_id=event.id, type=event.type, stream="x", attempts=0,
        body=msgspec.json.encode(event).decode(),
    )  # fmt: skip
    return settle(delivery, Outcome(result=Result.DELIVERED, detail=""), (5.0,), (SINCE, SINCE + 250), 0.5)


async def fill(store):
    """Active jobs, deliveries and circuits of the configuration, and those of an account and a receiver that it lacks."""
    store.archive.enable(ACCOUNTS)
    for account in (*ACCOUNTS, "removed"):
        await store.record(account, [seen("job-1", account=account, total_requests=4, output_file="file-1", status="RUNNING")])
        await store.active_jobs(account)
    await store.outbox.settle("team", [], Circuit(failures=9, since=1, disabled=True))


@pytest.fixture
async def store(tmp_path):
    subscriptions = [Subscription(receiver=name, events=("*",)) for name in (*RECEIVERS, "removed")]
    async with open_store(tmp_path / "tracker.db", subscriptions) as store:
        await fill(store)
        yield store


async def test_sum_of_replicas_is_the_page_of_one(tmp_path, store):
    """Every series of the log, of an account or of a receiver is on the page of one replica alone, with the value that is true.

    Counters of events under an empty account, and of what is silenced, are the exception: each replica has its own, from 0 on.
    """
    path = tmp_path / "tracker.db"
    alone = Replica(store, path, [*ACCOUNTS], RECEIVERS, maintains=True, alone=True)
    replicas = [
        Replica(store, path, ["one"], ["team"], maintains=False),
        Replica(store, path, ["two", "three"], [], maintains=True),
        Replica(store, path, [], ["pipeline"], maintains=False),
    ]
    pages = []
    for each in (alone, *replicas):
        each.work()
        pages.append(of_the_log(each.metrics.render()))
    expected, *parts = pages
    summed = Counter()
    for part in parts:
        summed.update(part)
    assert dict(summed) == expected
    twice = {key for key, pages in Counter(key for part in parts for key in part).items() if pages > 1}
    assert {dict(labels).get("account") for name, labels in twice if name != "batchtracker_deliveries_silenced_total"} == {""}
    assert expected["batchtracker_orphaned_jobs", (("account", "removed"),)] == 1


async def test_replicas_have_metrics_that_one_process_lacks(tmp_path, store):
    """Each replica exports what it holds; the maintainer, after its first check, also how many live and what is unheld."""
    path = tmp_path / "tracker.db"
    maintainer = Replica(store, path, ["one"], [], maintains=True).metrics
    other = Replica(store, path, ["two"], [], maintains=False).metrics
    maintainer.replicas.works_under({account_lease("one"), MAINTENANCE_LEASE}, is_maintainer=True)
    other.replicas.works_under({account_lease("two")}, is_maintainer=False)
    assert b"batchtracker_replicas" not in maintainer.render()
    for each in (maintainer, other):
        each.replicas.seen(2, {"receiver": 3})
    found = samples(maintainer.render())
    assert found["batchtracker_replicas", ()] == 2
    assert [found["batchtracker_leases_unheld", (("kind", kind),)] for kind in ("account", "receiver", "maintenance")] == [
        0,
        3,
        0,
    ]
    assert found["batchtracker_replica_leases", (("kind", "maintenance"),)] == 1
    page = other.render()
    assert b"batchtracker_replicas" not in page
    assert b"batchtracker_leases_unheld" not in page
    assert samples(page)["batchtracker_replica_leases", (("kind", "account"),)] == 1
    alone = Replica(store, path, [*ACCOUNTS], RECEIVERS, maintains=True, alone=True).metrics.render()
    assert not [name for name, _ in samples(alone) if name.startswith(OF_REPLICAS)]
