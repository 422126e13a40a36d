"""A replica that is cut off, sleeps, has a wrong clock or another version: it stops in time, and cannot write what is old."""

from contextlib import asynccontextmanager

import anyio
import pytest
from pgbouncer import pooling
from planting import NEWER_SCHEMA, NO_FENCE, SHORT_LEASES, VALID_FOR_EVER, WAKES_TOO_LATE, WRITES_WITHOUT_ITS_CLOCK, plant
from replica_attacks import Attacks
from replicas import PATIENCE, cluster
from simulated_jobs import begin
from wrong_clock import WrongClock

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.timeout(600)]

JOBS = 1500
"""A sweep over them takes 15 requests, one a second."""


@asynccontextmanager
async def two_replicas(folder, server, *, of_a=(), of_b=(), **settings):
    """Replicas `a` and `b` with short leases, each with what is planted in it besides."""
    async with cluster(folder, server, replicas=2, accounts=2, started=False, **settings) as made:
        plant(made.replicas["a"], SHORT_LEASES, *of_a)
        plant(made.replicas["b"], SHORT_LEASES, *of_b)
        await made.start()
        await made.held()
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("how", ["go_silent", "reset"])
async def test_a_replica_that_is_cut_off_from_the_database(tmp_path, postgres_server, how):
    """It stops to poll and to send before its leases end, says that it is not ready, and works again afterwards."""
    async with two_replicas(tmp_path, postgres_server, seed=9, proxied=True) as made:
        attacks = Attacks(made, seed=9)
        await attacks.cut_off("a", how)
        await attacks.end()
        attacks.each_had_one_replica()


async def cut_off_within_a_sweep(folder, server, how, *bugs):
    """How much a replica still asks whose sweeps take far longer than its leases last."""
    account = {"requests_per_second": 1, "poll_interval": "100ms"}
    async with two_replicas(folder, server, of_a=bugs, seed=16, proxied=True, jobs=0, account=account) as made:
        for simulator in made.apis.simulators.values():
            begin(simulator, JOBS, created=4000.0)
        known = "SELECT 1 FROM batch_tracker.jobs HAVING count(*) = $1"
        await made.until_none(lambda: set() if made.fetch(known, 2 * JOBS) else {"some"}, "jobs are not known")
        return await Attacks(made, seed=16).cut_off_within_a_sweep("a", how, watched=4.0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["go_silent", "reset"])
async def test_a_sweep_ends_with_its_lease(tmp_path, postgres_server, how):
    """A replica that is cut off while it reads page after page stops, for the account is another's by then."""
    assert await cut_off_within_a_sweep(tmp_path, postgres_server, how) == 0


@pytest.mark.slow
async def test_a_replica_that_ignores_the_clock_of_its_lease_is_found(tmp_path, postgres_server):
    """The planted bug: it takes its leases for valid until the database says otherwise, and reads on."""
    assert await cut_off_within_a_sweep(tmp_path, postgres_server, "go_silent", VALID_FOR_EVER) > 0


@pytest.mark.slow
async def test_answers_to_commit_are_lost(tmp_path, postgres_server):
    """A commit whose answer was lost is neither logged nor sent again."""
    async with two_replicas(tmp_path, postgres_server, seed=14, proxied=True) as made:
        attacks = Attacks(made, seed=14)
        for _ in range(10):
            await _lost_commit(made.proxies["a"])
            await made.receivers.get(2)
        await attacks.end()  # without an attack it allows for no copy
        attacks.each_had_one_replica()


async def _lost_commit(proxy):
    is_lost = anyio.Event()

    def cut(chunk):
        if b"COMMIT\0" not in chunk or is_lost.is_set():
            return False
        is_lost.set()
        return True

    proxy.cut_answer = cut
    with anyio.fail_after(PATIENCE):
        await is_lost.wait()


@pytest.mark.slow
async def test_behind_a_pooler(tmp_path, postgres_server):
    """A pooler in session mode is as none: also where a replica that is killed leaves it connections."""
    with pooling(postgres_server, "session") as port:
        async with two_replicas(tmp_path, postgres_server, seed=15, port=port) as made:
            attacks = Attacks(made, seed=15)
            await attacks.kill()
            await attacks.stop()
            await attacks.end()
            attacks.each_had_one_replica()


@pytest.mark.slow
async def test_a_network_that_is_slow(tmp_path, postgres_server):
    """A replica whose database answers late works on: slowly, and rightly."""
    async with two_replicas(tmp_path, postgres_server, seed=10, proxied=True) as made:
        attacks = Attacks(made, seed=10)
        made.proxies["a"].delay = 0.05
        await made.receivers.get(50)
        made.proxies["a"].delay = 0.0
        attacks.number += 1
        await attacks.end()


async def slept(folder, server, *bugs):
    """What becomes of the log where a replica sleeps right before a write until another one has taken over its account."""
    async with two_replicas(folder, server, of_a=(WAKES_TOO_LATE, *bugs), seed=11) as made:
        attacks = Attacks(made, seed=11)
        await attacks.sleep_before_a_write("a")
        await attacks.end()


@pytest.mark.slow
@pytest.mark.parametrize("bugs", [[WRITES_WITHOUT_ITS_CLOCK], []], ids=["the database alone", "its clock too"])
async def test_a_sleeper_cannot_write(tmp_path, postgres_server, bugs):
    """What a replica had decided before it slept is refused when it wakes: by its clock, and without that by the database."""
    await slept(tmp_path, postgres_server, *bugs)


@pytest.mark.slow
async def test_without_a_fence_a_sleeper_writes(tmp_path, postgres_server):
    """The planted bug is found: without the fence the log gets what was long past."""
    with pytest.raises(AssertionError, match=r"logged twice|out of order|invented|the jobs are not"):
        await slept(tmp_path, postgres_server, WRITES_WITHOUT_ITS_CLOCK, NO_FENCE)


@pytest.mark.slow
async def test_clocks_that_are_hours_apart(tmp_path, postgres_server):
    """Leases and due times follow the server's clock and clocks that no test sets: nothing is late, lost, or done twice."""
    async with cluster(tmp_path, postgres_server, replicas=2, accounts=2, seed=12, started=False) as made:
        for replica, off in zip(made.replicas.values(), (3600, -3600), strict=True):
            plant(replica, SHORT_LEASES)
            wrong = WrongClock(replica.config.parent)
            wrong.set(off)
            wrong.deceive(replica)
        await made.start()
        attacks = Attacks(made, seed=12)
        await attacks.kill()
        await attacks.stop()
        await attacks.end()
        attacks.each_had_one_replica()


@pytest.mark.slow
async def test_a_rolling_upgrade(tmp_path, postgres_server):
    """A replica of the version before works beside one of the next, before and after it, and both are right."""
    async with two_replicas(tmp_path, postgres_server, seed=13, of_b=(NEWER_SCHEMA,)) as made:
        attacks = Attacks(made, seed=13)
        assert made.fetch("SELECT version - oldest_compatible > 0 FROM batch_tracker.schema_version") == [(True,)]
        await attacks.stop()  # whichever it is, it starts again beside the other
        await attacks.stop()
        await attacks.end()
        attacks.each_had_one_replica()
