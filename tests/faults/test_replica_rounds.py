"""Two replicas, and everything that the other tests of replicas do at length, once."""

import pytest
from database_outages import Outages
from planting import SHORT_LEASES, WAKES_TOO_LATE, plant
from postgres_server import running_server
from replicas import cluster

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.timeout(600), pytest.mark.slow]


async def test_each_attack_once(tmp_path):
    """A kill, a stop, a cut-off, a sleep before a write, a kill of the database: the log is the truth, and all arrives."""
    with running_server() as server:
        slowly = {"poll_interval": "500ms"}
        async with cluster(
            tmp_path, server, replicas=2, accounts=2, seed=2, proxied=True, account=slowly, started=False
        ) as made:
            plant(made.replicas["a"], SHORT_LEASES, WAKES_TOO_LATE)
            plant(made.replicas["b"], SHORT_LEASES)
            await made.start()
            attacks = Outages(made, seed=2)
            await attacks.kill()
            await attacks.cut_off("a", "go_silent")
            await attacks.sleep_before_a_write("a", deliveries=5)
            await attacks.outage(server.kill, server.start)
            await attacks.stop(for_good=True)  # each start costs a second
            await attacks.end()
            attacks.each_had_one_replica(strays=1)
