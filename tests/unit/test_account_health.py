"""How the daemon is, from what its loops report."""

from core_samples import NOW

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.time_limits import Outage
from tracker.core.health.readiness import AccountHealth, Health, HeldElsewhere
from tracker.core.queries.workload import Workload

REFUSED = Failure(Reason.UNAUTHORISED, "HTTP 401")
DOWN = Failure(Reason.NETWORK, "connection refused")


def test_nothing_is_known_at_first():
    """Before its first sweep each account is a reason not to be ready, in the order of the configuration."""
    health = Health(["one", "two"])
    assert health.not_ready_because() == ["account one: not swept yet", "account two: not swept yet"]
    assert not health.accounts["one"].known


def test_a_sweep_makes_ready():
    """An account that was swept is ready, and only that one."""
    health = Health(["one", "two"])
    health.swept("one", None, NOW)
    assert health.accounts["one"] == AccountHealth(swept_at=NOW, failure=None)
    assert health.not_ready_because() == ["account two: not swept yet"]
    health.swept("two", None, NOW)
    assert health.not_ready_because() == []


def test_an_unreachable_api_is_known_too():
    """A daemon whose API fails is ready all the same: it has asked, and says what came of it."""
    health = Health(["one"])
    health.swept("one", DOWN, NOW)
    assert health.accounts["one"] == AccountHealth(swept_at=None, failure=DOWN, failing_since=NOW)
    assert health.not_ready_because() == []


def test_a_failure_keeps_the_last_success_and_a_success_ends_the_failure():
    """`swept_at` is the last whole sweep, `failure` only the latest one's."""
    health = Health(["one"])
    health.swept("one", None, NOW)
    health.swept("one", DOWN, NOW + 15_000)
    assert health.accounts["one"] == AccountHealth(swept_at=NOW, failure=DOWN, failing_since=NOW + 15_000)
    health.swept("one", None, NOW + 30_000)
    assert health.accounts["one"] == AccountHealth(swept_at=NOW + 30_000, failure=None)


def test_an_outage_lasts_from_the_first_failure_on():
    """An outage begins with the first failed sweep in a row, and is reported with the last sweep's failure."""
    health = Health(["one"])
    assert health.accounts["one"].outage is None
    for at, failure in ((NOW, None), (NOW + 1, DOWN), (NOW + 2, REFUSED)):
        health.swept("one", failure, at)
    assert health.accounts["one"].outage == Outage(NOW + 1, REFUSED)
    health.swept("one", None, NOW + 3)
    assert health.accounts["one"].outage is None
    health.swept("one", DOWN, NOW + 4)
    assert health.accounts["one"].outage == Outage(NOW + 4, DOWN)


def test_a_lost_database_is_the_first_reason():
    """What the store cannot do is said before what the accounts have not done, and is gone when it is over."""
    health = Health(["one"])
    health.storage_error = "disk full"
    assert health.not_ready_because() == ["storage: disk full", "account one: not swept yet"]
    health.swept("one", None, NOW)
    assert health.not_ready_because() == ["storage: disk full"]
    health.storage_error = None
    assert health.not_ready_because() == []


def test_a_daemon_without_accounts_waits_for_none():
    """Nothing to sweep is nothing to wait for."""
    assert Health([]).not_ready_because() == []


def test_accounts_come_and_go():
    """Of an account that stays everything is kept, of one that is removed nothing; a new one leaves the daemon ready."""
    health = Health(["one", "two"])
    health.swept("one", DOWN, NOW)
    health.swept("two", None, NOW)
    health.watch(["three", "one"])
    assert health.accounts == {"three": AccountHealth(), "one": AccountHealth(failure=DOWN, failing_since=NOW)}
    assert health.not_ready_because() == []
    health.watch(["two"])
    assert not health.accounts["two"].known


def test_who_hangs_is_not_ready():
    """A loop that hangs is a reason not to be ready, as a store that fails is."""
    health = Health([])
    health.stuck, health.storage_error = ["receiver hook"], "disk full"
    assert health.not_ready_because() == ["storage: disk full", "receiver hook hangs"]


def test_status_is_the_numbers_and_what_is_wrong():
    """One line gives the totals, then every problem; accounts appear by reason, because details may be long."""
    health = Health(["one", "two"])
    assert health.status(None) == "starting"
    workload = Workload(running=3, queued=12, pending=0, dead=0)
    assert health.status(workload) == "3 running, 12 queued, 0 undelivered"
    health.swept("two", REFUSED, NOW)
    health.reload_error, health.restart_needed = "accounts: found none", ("http.listen", "storage.path")
    assert health.status(Workload(running=0, queued=0, pending=3, dead=2)) == (
        "0 running, 0 queued, 5 undelivered (2 dead); account two: unauthorised; "
        "reload failed: accounts: found none; restart needed for http.listen, storage.path"
    )


def test_an_account_that_another_replica_polled_well_counts_as_swept():
    """An account that is taken over was swept by its former holder, unless that sweep failed; a ready replica stays so."""
    health = Health(["one"], replica="a")
    health.swept("one", None, NOW)
    health.seen_elsewhere(
        {
            "two": HeldElsewhere("b", AccountHealth(swept_at=NOW - 5, failing_since=None, due_at=NOW)),
            "three": HeldElsewhere(None, AccountHealth(swept_at=NOW, failure=DOWN, failing_since=NOW)),
        }
    )
    health.watch(["one", "two", "three"])
    assert health.accounts["two"] == AccountHealth(swept_at=NOW - 5)
    assert health.accounts["three"] == AccountHealth()
    assert health.not_ready_because() == []


def test_a_replica_without_a_lease_yet_is_not_ready():
    """A start awaits a holder of each account, then the first sweep of those that it holds itself."""
    health = Health(["one", "two"], replica="a")
    health.watch([])
    health.seen_elsewhere({"one": HeldElsewhere("a", AccountHealth(swept_at=NOW)), "two": HeldElsewhere(None, AccountHealth())})
    unheld = [f"account {name}: no replica polls it yet" for name in ("one", "two")]
    assert health.not_ready_because() == unheld  # the holder of "one" is an earlier life of this replica
    health.watch(["one"])
    assert health.not_ready_because() == ["account one: not swept yet", unheld[1]]
    health.swept("one", DOWN, NOW)
    assert health.not_ready_because() == unheld[1:]


def test_a_replica_is_ready_beside_those_that_do_the_work():
    """What others poll is not awaited, nor awaited again once it is handed over to this replica and fails there."""
    health = Health(["one"], replica="a")
    health.watch([])
    health.seen_elsewhere({"one": HeldElsewhere("b", AccountHealth())})
    assert health.not_ready_because() == []
    health.watch(["one"])
    assert (health.not_ready_because(), health.accounts["one"].known) == ([], False)


def test_the_start_awaits_no_account_that_is_removed_or_must_not_be_asked():
    """A reload may take the account away that hangs, and a pause that its API asked for may be longer than a start."""
    limited = Failure(Reason.RATE_LIMITED, "HTTP 429", retry_after=3600.0)
    health = Health(["one", "two", "three"], replica="a")
    health.configured(["one", "two", "four"])
    assert health.not_ready_because() == ["account one: not swept yet", "account two: not swept yet"]
    health.seen_elsewhere(
        {
            "one": HeldElsewhere(None, AccountHealth(failure=limited, failing_since=NOW)),
            "two": HeldElsewhere(None, AccountHealth(failure=DOWN, failing_since=NOW)),
        }
    )
    assert health.not_ready_because() == ["account two: not swept yet"]


def test_accounts_of_other_replicas_are_shown_and_leave_this_replica_ready():
    """The state of each account is that of its holder; a replica is ready whatever becomes of the accounts of others."""
    health = Health(["one"], replica="a")
    health.swept("one", None, NOW)
    down = AccountHealth(failure=DOWN, failing_since=NOW)
    health.seen_elsewhere(
        {"two": HeldElsewhere("b", down), "one": HeldElsewhere("b", down), "three": HeldElsewhere(None, down)}
    )
    assert [health.holder(name) for name in ("one", "two", "three", "four")] == ["a", "b", None, None]
    assert [health.of(name).failure for name in ("one", "two", "three", "four")] == [None, DOWN, DOWN, None]
    assert health.everywhere() == {"one": health.accounts["one"], "two": down, "three": down}
    assert health.not_ready_because() == []
    assert "account two: network" in health.status(None)


def test_a_sweep_that_ends_after_its_account_has_gone_is_not_counted():
    """A worker that is being cancelled may report once more."""
    health = Health(["one"])
    health.watch([])
    health.swept("one", None, NOW)
    health.due("one", NOW)
    assert health.accounts == {}
