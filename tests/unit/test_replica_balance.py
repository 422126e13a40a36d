"""Sharing leases among replicas: evenly, with few moves, and never one lease to two."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.replicas.balance import part_of, shared_out
from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKind, account_lease, receiver_lease

ACCOUNTS = [account_lease(f"account {number}") for number in range(30)]
RECEIVERS = [receiver_lease(f"receiver {number}") for number in range(10)]
ALL = frozenset([*ACCOUNTS, *RECEIVERS, MAINTENANCE_LEASE])


def counts(plan, kind):
    return Counter(replica for key, replica in plan.items() if key.kind == kind)


class Cluster:
    """Replicas that look at the shared table one at a time, each in its own time, as the database has them do it."""

    def __init__(self, wishes=()):
        self.wishes = dict(wishes)
        self.holders = {}
        self.releasing = {}
        self.moves = 0

    def look(self, replica):
        """One look of `replica`: it takes, and begins to give back; what it began before is given back now."""
        for key in self.releasing.pop(replica, frozenset()):
            if self.holders.get(key) == replica:
                del self.holders[key]
                self.moves += 1
        part = part_of(replica, self.wishes, self.holders)
        for key in part.take:
            assert key not in self.holders, "what is held is not taken"
            assert key in self.wishes[replica], "what is not wanted is not taken"
            self.holders[key] = replica
        self.releasing[replica] = part.give_back

    def leave(self, replica):
        del self.wishes[replica]
        self.releasing.pop(replica, None)
        self.holders = {key: holder for key, holder in self.holders.items() if holder != replica}

    def settle(self, rng=None):
        """Looks in any order, each replica three times: one to give back, one to have given, one to take."""
        for _ in range(3):
            order = sorted(self.wishes)
            if rng:
                rng.shuffle(order)
            for replica in order:
                self.look(replica)

    def is_settled(self):
        return all(part_of(replica, self.wishes, self.holders) == (frozenset(), frozenset()) for replica in self.wishes)


def assert_even(cluster):
    """Per kind at most ceil(n / live) and at least floor(n / live), all held."""
    assert cluster.holders.keys() == (ALL if cluster.wishes else set())
    for kind in LeaseKind:
        number = sum(key.kind == kind for key in ALL)
        for replica in cluster.wishes:
            held = counts(cluster.holders, kind)[replica]
            assert number // len(cluster.wishes) <= held <= math.ceil(number / len(cluster.wishes))


def test_one_replica_takes_everything():
    """A replica alone holds all."""
    cluster = Cluster({"a": ALL})
    cluster.look("a")
    assert cluster.holders == dict.fromkeys(ALL, "a")


def test_newcomer_is_given_its_share_and_nothing_else_moves():
    """A third of what there is moves to the third replica, and that from those that have more."""
    cluster = Cluster({"a": ALL, "b": ALL})
    cluster.settle()
    before, cluster.moves = dict(cluster.holders), 0
    cluster.wishes["c"] = ALL
    cluster.settle()
    assert_even(cluster)
    assert {cluster.holders[key] for key in ALL if cluster.holders[key] != before[key]} == {"c"}
    assert cluster.moves == counts(cluster.holders, LeaseKind.ACCOUNT)["c"] + counts(cluster.holders, LeaseKind.RECEIVER)["c"]


def test_nothing_moves_when_a_replica_leaves_but_what_it_held():
    """The leases of one that left are shared out; the others keep theirs."""
    cluster = Cluster(dict.fromkeys("abc", ALL))
    cluster.settle()
    before = dict(cluster.holders)
    cluster.leave("b")
    cluster.moves = 0
    cluster.settle()
    assert_even(cluster)
    assert cluster.moves == 0
    assert all(cluster.holders[key] == holder for key, holder in before.items() if holder != "b")


def test_single_leases_are_spread_over_the_replicas():
    """One account, one receiver and the maintenance of the log, each alone of its kind, go to three replicas."""
    wanted = {ACCOUNTS[0], RECEIVERS[0], MAINTENANCE_LEASE}
    plan = shared_out(dict.fromkeys("abc", wanted), {})
    assert sorted(plan.values()) == ["a", "b", "c"]


def test_what_only_one_wants_is_given_to_it_alone():
    """During a change of the configuration replicas want different things; what both want evens it out."""
    both, only_a = frozenset(ACCOUNTS[:6]), frozenset(ACCOUNTS[6:10])
    cluster = Cluster({"a": both | only_a, "b": both})
    cluster.settle()
    assert counts(cluster.holders, LeaseKind.ACCOUNT) == {"a": 5, "b": 5}
    assert all(cluster.holders[key] == "a" for key in only_a)


def test_what_none_wants_any_more_is_given_back():
    """A lease that left the holder's configuration is given back though no other replica wants it."""
    part = part_of("a", {"a": {ACCOUNTS[0]}}, {ACCOUNTS[0]: "a", ACCOUNTS[1]: "a"})
    assert part == (frozenset(), {ACCOUNTS[1]})


def test_lease_of_a_replica_that_is_not_known_is_not_taken():
    """A lease of another replica is not free before that replica's row is gone."""
    assert part_of("a", {"a": set(ACCOUNTS[:2])}, {ACCOUNTS[0]: "stranger"}) == ({ACCOUNTS[1]}, frozenset())


def test_chain_evens_out_what_two_alone_cannot():
    """One that has too many and one that has too few share no wish: a third one passes on."""
    first, second = ACCOUNTS[:5], ACCOUNTS[5:8]
    wishes = {"a": {*first}, "b": {*first, *second}, "c": {*second}}
    holders = dict.fromkeys(first, "a") | dict.fromkeys(second, "b")
    plan = shared_out(wishes, holders)
    assert max(counts(plan, LeaseKind.ACCOUNT).values()) == 3


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12), st.integers())
def test_any_sequence_of_joins_and_leaves_ends_even(changes, seed):
    """Whatever joins and leaves, after three looks of each replica all is shared evenly, and nothing moves any more."""
    rng, cluster = random.Random(seed), Cluster()
    for joins, number in changes:
        name = f"replica {number}"
        if joins:
            cluster.wishes[name] = ALL
        elif name in cluster.wishes:
            cluster.leave(name)
        for replica in rng.sample(sorted(cluster.wishes), k=rng.randint(0, len(cluster.wishes))):
            cluster.look(replica)
    cluster.settle(rng)
    assert_even(cluster)
    assert cluster.is_settled()


@given(st.lists(st.integers(0, 3), min_size=len(ALL), max_size=len(ALL)), st.integers(1, 4))
def test_no_more_moves_than_needed(holders, live):
    """As many leases move as the fullest have more than their share, and no other."""
    replicas = [f"replica {number}" for number in range(live)]
    held = {key: f"replica {number}" for key, number in zip(sorted(ALL), holders, strict=True) if number < live}
    plan = shared_out(dict.fromkeys(replicas, ALL), held)
    for kind in LeaseKind:
        before = sorted((counts(held, kind)[replica] for replica in replicas), reverse=True)
        floor, larger = divmod(sum(key.kind == kind for key in ALL), live)
        shares = [floor + (place < larger) for place in range(live)]
        needed = sum(max(0, has - share) for has, share in zip(before, shares, strict=True))
        assert sum(plan[key] != holder for key, holder in held.items() if key.kind == kind) == needed


@st.composite
def worlds(draw):
    replicas = [f"replica {number}" for number in range(draw(st.integers(1, 5)))]
    keys = ACCOUNTS[:12]
    wishes = {replica: draw(st.sets(st.sampled_from(keys))) for replica in replicas}
    holders = draw(st.dictionaries(st.sampled_from(keys), st.sampled_from([*replicas, "gone"])))
    return wishes, holders


@given(worlds(), st.randoms(use_true_random=False))
def test_different_wishes_are_shared_as_evenly_as_they_can_be(world, rng):
    """Each lease that is wanted goes to one that wants it, and no other sharing has a smaller sum of squares."""
    wishes, holders = world
    plan = shared_out(wishes, holders)
    assert plan.keys() == set().union(*wishes.values())
    assert all(key in wishes[replica] for key, replica in plan.items())
    assert plan == shared_out(dict(reversed(wishes.items())), dict(reversed(holders.items()))), "all replicas have one plan"
    squares = sum(number**2 for number in counts(plan, LeaseKind.ACCOUNT).values())
    for _ in range(20):
        order = rng.sample(sorted(plan), k=len(plan))
        other = {key: rng.choice([replica for replica in wishes if key in wishes[replica]]) for key in order}
        assert squares <= sum(number**2 for number in counts(other, LeaseKind.ACCOUNT).values())


@pytest.mark.parametrize("live", [1, 3, 10])
def test_ten_thousand_leases_are_shared_at_once(live):
    """The plan is made each few seconds: it is linear in what there is."""
    wanted = frozenset(account_lease(f"account {number}") for number in range(10_000))
    holders = dict.fromkeys(wanted, "replica 0")
    plan = shared_out({f"replica {number}": wanted for number in range(live)}, holders)
    assert max(counts(plan, LeaseKind.ACCOUNT).values()) == math.ceil(10_000 / live)
