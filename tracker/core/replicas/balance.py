"""Owns the sharing of leases among replicas: evenly, with as few moves as that takes.

Every replica computes the same plan from the same facts and carries out its own part: it gives back what the plan gives to
others, and takes what is free and its own. No replica decides for another one.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

from tracker.core.replicas.lease import LeaseKey, LeaseKind

Wishes = Mapping[str, AbstractSet[LeaseKey]]
"""What each live replica may be given, by the replica."""

Holders = Mapping[LeaseKey, str]
"""Which replica holds what."""


class Part(NamedTuple):
    """What one replica has to do for the plan."""

    take: frozenset[LeaseKey]
    give_back: frozenset[LeaseKey]


def part_of(replica: str, wishes: Wishes, holders: Holders) -> Part:
    """What `replica` takes, all of it free, and what it gives back. What others hold is not free."""
    plan = shared_out(wishes, holders)
    mine = {key for key, planned in plan.items() if planned == replica}
    held = {key for key, holder in holders.items() if holder == replica}
    return Part(frozenset(mine - holders.keys()), frozenset(held - mine))


def shared_out(wishes: Wishes, holders: Holders) -> dict[LeaseKey, str]:
    """Who is to hold each lease that a live replica wants.

    Of each kind, no replica gets two more than another that could have one of them instead.
    """
    kept = {key: holder for key, holder in holders.items() if key in wishes.get(holder, ())}
    plan: dict[LeaseKey, str] = {}
    in_all = dict.fromkeys(wishes, 0)
    for kind in LeaseKind:
        shares = _Shares(kind, wishes, kept, in_all)
        shares.place_free()
        shares.level()
        plan |= shares.holders()
        in_all = {replica: number + shares.count(replica) for replica, number in in_all.items()}
    return plan


class _Shares:
    """Who is to hold the leases of one kind. Leases that the same replicas want are a group, and as good as each other."""

    def __init__(self, kind: LeaseKind, wishes: Wishes, kept: Holders, in_all: Mapping[str, int]) -> None:
        self._in_all = in_all
        """How many leases of other kinds each replica has, which decides between those that have equally many of this kind."""
        wanted_by = _wanted_by(kind, wishes)
        self._free = sorted((key for key in wanted_by if key not in kept), key=lambda key: (len(wanted_by[key]), key))
        self._wanted_by = wanted_by
        self._groups = sorted({*wanted_by.values()})
        self._held: dict[str, dict[tuple[str, ...], list[LeaseKey]]] = {replica: {} for replica in sorted(wishes)}
        self._counts = dict.fromkeys(self._held, 0)
        for key in sorted(wanted_by.keys() & kept.keys(), reverse=True):
            self._give(kept[key], key)

    def count(self, replica: str) -> int:
        return self._counts[replica]

    def holders(self) -> dict[LeaseKey, str]:
        return {key: replica for replica, of_groups in self._held.items() for keys in of_groups.values() for key in keys}

    def place_free(self) -> None:
        """Give each free lease to the replica that has the fewest of those that want it."""
        for key in self._free:
            self._give(min(self._wanted_by[key], key=self._load), key)

    def level(self) -> None:
        """Move leases from those that have the most, as long as another has two less."""
        while way := next(filter(None, map(self._way_down, self._fullest_first())), None):
            for giver, taker in pairwise(way):
                self._pass_on(giver, taker)

    def _fullest_first(self) -> list[str]:
        return sorted(self._counts, key=self._counts.__getitem__, reverse=True)

    def _way_down(self, start: str) -> list[str]:
        """A chain of replicas, each of which holds what the next one wants, to one that has two less; empty without one."""
        came_from: dict[str, str] = {start: start}
        reached = [start]
        for replica in reached:
            for following in sorted(self._takers(replica) - came_from.keys()):
                came_from[following] = replica
                reached.append(following)
        end = min(reached, key=self._load)
        return _chain(came_from, end) if self._counts[end] + 2 <= self._counts[start] else []

    def _takers(self, giver: str) -> set[str]:
        return {replica for group, keys in self._held[giver].items() if keys for replica in group}

    def _pass_on(self, giver: str, taker: str) -> None:
        group = next(group for group in self._groups if taker in group and self._held[giver].get(group))
        self._counts[giver] -= 1
        self._give(taker, self._held[giver][group].pop())

    def _give(self, replica: str, key: LeaseKey) -> None:
        self._held[replica].setdefault(self._wanted_by[key], []).append(key)
        self._counts[replica] += 1

    def _load(self, replica: str) -> tuple[int, int, str]:
        return self._counts[replica], self._in_all[replica], replica


def _wanted_by(kind: LeaseKind, wishes: Wishes) -> dict[LeaseKey, tuple[str, ...]]:
    """By which replicas, in order, each lease of that kind is wanted."""
    found: dict[LeaseKey, tuple[str, ...]] = {}
    for replica in sorted(wishes):
        for key in wishes[replica]:
            if key.kind == kind:
                found[key] = (*found.get(key, ()), replica)
    return found


def _chain(came_from: Mapping[str, str], end: str) -> list[str]:
    chain = [end]
    while came_from[chain[-1]] != chain[-1]:
        chain.append(came_from[chain[-1]])
    return chain[::-1]
