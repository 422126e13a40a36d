"""Owns which replicas are lost, and which ones only an outage or the jump of a clock kept from renewing."""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from tracker.core.replicas.lease_times import LeaseTimes


class Sighting(NamedTuple):
    """A replica as the database has it: Unix milliseconds of the server's clock."""

    instance: str
    renewed_at: int
    expires_at: int


class _Watched(NamedTuple):
    renewed_at: int
    since: float
    trusted_from: float
    """Before this the server's clock does not decide."""


class ReplicaWatch:
    """What one replica has seen of the others. `now` is in seconds of a clock of its own that never jumps."""

    def __init__(self, times: LeaseTimes) -> None:
        self._times = times
        self._watched: dict[str, _Watched] = {}
        self._looked_at = -inf
        self._next_loss_at = inf

    @property
    def next_loss_at(self) -> float:
        """When one of them may be lost, if it does not renew."""
        return self._next_loss_at

    def look(self, others: Iterable[Sighting], server_now: int, now: float, *, clock_jumped: bool = False) -> list[Sighting]:
        """Those of `others` that are lost.

        A replica is lost that was seen not to renew for long enough, and whose leases have expired by the server's clock; or
        that was seen so for longer than leases last, whatever that clock says.
        """
        if clock_jumped or now - self._looked_at > self._times.seen:
            self._watched.clear()  # they may have had no chance to renew, or only a time that the clock no longer knows
        patience = self._times.valid if clock_jumped else self._times.seen
        self._looked_at = now
        found = {each: self._watch(each, now, patience) for each in others}
        self._watched = {each.instance: watched for each, watched in found.items()}
        lost_at = {each: self._lost_at(each, watched, server_now, now) for each, watched in found.items()}
        self._next_loss_at = min((at for at in lost_at.values() if at > now), default=inf)
        return [each for each, at in lost_at.items() if at <= now]

    def _watch(self, seen: Sighting, now: float, patience: float) -> _Watched:
        before = self._watched.get(seen.instance)
        if before and before.renewed_at == seen.renewed_at:
            return before
        return _Watched(seen.renewed_at, now, now + patience)

    def _lost_at(self, seen: Sighting, watched: _Watched, server_now: int, now: float) -> float:
        expires_at = now + (seen.expires_at - server_now) / 1000
        return min(max(expires_at, watched.trusted_from), watched.since + self._times.valid + self._times.renew)
