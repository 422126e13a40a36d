"""Replicas that are killed, stopped, and put to sleep under load: the others continue, and the log does not show it."""

import pytest
from planting import SHORT_LEASES, plant
from replica_attacks import HELD_AFTER_A_KILL, Attacks
from replicas import cluster

pytestmark = pytest.mark.xdist_group("postgres")

CROWDED = {"speed": 10.0, "account": {"poll_interval": "1s"}}
"""What three replicas of 30 accounts can do on two cores that others use as well."""


async def attacked(attacks, kills=0, pauses=0, stops=0, asleep=30.0):
    """A number of attacks of each kind, one after the other."""
    for _ in range(kills):
        await attacks.kill()
    for _ in range(pauses):
        await attacks.pause(asleep)
    for _ in range(stops):
        await attacks.stop()
    log = await attacks.end()
    attacks.each_had_one_replica(strays=pauses)
    print(attacks.figures(log))  # noqa: T201 - of a long run
    assert max(attacks.vacant.get("kill", [0])) <= HELD_AFTER_A_KILL


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_three_replicas_under_attack(tmp_path, postgres_server):
    """Three replicas, 30 accounts and receivers: some kills, stops, and one that sleeps for longer than its leases last."""
    async with cluster(tmp_path, postgres_server, seed=3, **CROWDED, started=False) as made:
        for replica in made.replicas.values():
            plant(replica, SHORT_LEASES)
        await made.start()
        await attacked(Attacks(made, seed=3), kills=2, pauses=1, stops=1, asleep=8.0)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("attack", [{"kills": 100}, {"pauses": 20}, {"stops": 20}])
async def test_many_attacks(tmp_path, postgres_server, attack):
    """A hundred kills; twenty replicas that sleep for half a minute; twenty that are stopped."""
    async with cluster(tmp_path, postgres_server, seed=4, **CROWDED) as made:
        await attacked(Attacks(made, seed=4), **attack)
