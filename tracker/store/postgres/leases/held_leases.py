"""Owns what this replica holds: which leases, until when by its own clock, and what is to be given back."""

from collections.abc import Callable, Iterable, Mapping

import anyio

from tracker.core.replicas.lease import LeaseKey
from tracker.store.postgres.server_clock import boot_time

_NOTHING: frozenset[LeaseKey] = frozenset()


class HeldLeases:
    """The `Leases` of core.ports on PostgreSQL; the membership tells it what the database says."""

    def __init__(
        self, clock: Callable[[], float] = boot_time, gained: Callable[[frozenset[LeaseKey]], None] = lambda _keys: None
    ) -> None:
        """`gained` is called with what is newly held, before a worker can know of it."""
        self._clock = clock
        self._gained = gained
        self._valid_until = 0.0
        self._epochs: dict[LeaseKey, int] = {}
        self._wanted = _NOTHING
        self._returning: set[LeaseKey] = set()  # what is releasing
        self._assigned: frozenset[LeaseKey] | None = None  # as of the last call; None once something has changed
        self._releasing: frozenset[LeaseKey] | None = None
        self._released: set[LeaseKey] = set()  # no longer ours to use, but still so in the database
        self._reports: dict[LeaseKey, str] = {}
        self._written_reports: dict[LeaseKey, str] = {}
        self._changed = anyio.Event()
        self._work = anyio.Event()

    def request(self, wanted: Iterable[LeaseKey]) -> None:
        before, self._wanted = self._wanted, frozenset(wanted)
        if self._wanted != before:
            self._sort(self._epochs, _NOTHING)
            self.ask_for_work()

    def assigned(self) -> frozenset[LeaseKey]:
        if self._clock() >= self._valid_until:
            return _NOTHING
        if self._assigned is None:
            self._assigned = frozenset(self._epochs.keys() - self._returning)
        return self._assigned

    def releasing(self) -> frozenset[LeaseKey]:
        if self._clock() >= self._valid_until:
            return _NOTHING
        if self._releasing is None:
            self._releasing = frozenset(self._returning)
        return self._releasing

    def is_valid(self, key: LeaseKey) -> bool:
        return key in self._epochs and self._clock() < self._valid_until

    def changed(self) -> anyio.Event:
        return self._changed

    async def release(self, key: LeaseKey) -> None:
        if key in self._returning:  # thousands are released one after the other: nothing here looks at all of them
            self._returning.remove(key)
            self._released.add(key)
            del self._epochs[key]
            self._has_changed()
            self.ask_for_work()

    def report(self, key: LeaseKey, report: str) -> None:
        self._reports[key] = report

    @property
    def wanted(self) -> frozenset[LeaseKey]:
        """What was requested."""
        return self._wanted

    @property
    def released(self) -> frozenset[LeaseKey]:
        """What is to be given back in the database."""
        return frozenset(self._released)

    @property
    def valid_until(self) -> float:
        """Seconds of the clock that `boot_time` reads."""
        return self._valid_until

    def held(self) -> Mapping[LeaseKey, int]:
        """The epoch of each lease that is held, assigned or releasing."""
        return dict(self._epochs)

    def epoch(self, key: LeaseKey) -> int | None:
        """The epoch of a lease that is valid now."""
        return self._epochs[key] if self.is_valid(key) else None

    def unwritten_reports(self) -> dict[LeaseKey, str]:
        """The reports on what is held that the other replicas do not have yet."""
        written = self._written_reports
        return {
            key: self._reports[key]
            for key in self._epochs.keys() & self._reports.keys()
            if written.get(key) != self._reports[key]
        }

    def reports_written(self, reports: Mapping[LeaseKey, str]) -> None:
        self._written_reports |= reports

    def given_back(self, keys: Iterable[LeaseKey]) -> None:
        """The database has these as no longer ours."""
        self._released.difference_update(keys)

    def renewed(self, epochs: Mapping[LeaseKey, int], to_give_back: Iterable[LeaseKey], valid_until: float) -> None:
        """What the database says this replica holds, valid until then; `to_give_back` is to be released by its workers."""
        self._valid_until = valid_until
        kept = {key: epoch for key, epoch in epochs.items() if key not in self._released}
        for key in [key for key in self._written_reports if kept.get(key) != self._epochs.get(key)]:
            del self._written_reports[key]  # the taker of a lease finds no report in it
        self._gained(frozenset(key for key, epoch in kept.items() if self._epochs.get(key) != epoch))
        self._sort(kept, to_give_back)

    def lapse(self) -> frozenset[LeaseKey]:
        """Lose all that is held if it is no longer valid; what was lost."""
        return _NOTHING if self._clock() < self._valid_until else self.lose_all()

    def lose_all(self) -> frozenset[LeaseKey]:
        """Nothing is held any more; what was lost."""
        lost = frozenset(self._epochs)
        self._valid_until = 0.0
        self._sort({}, _NOTHING)
        return lost

    def ask_for_work(self) -> None:
        """Wake the membership: there is something to take or to give back."""
        self._work.set()

    def work(self) -> anyio.Event:
        """Set by the next thing that the membership should not wait with; take it before you look."""
        if self._work.is_set():
            self._work = anyio.Event()
        return self._work

    def _sort(self, epochs: Mapping[LeaseKey, int], to_give_back: Iterable[LeaseKey]) -> None:
        """Hold exactly these; what is to be given back, or not wanted, stays so until it is released."""
        before = (self._epochs, self._returning)
        self._epochs = dict(epochs)
        self._returning = self._epochs.keys() & {*self._returning, *to_give_back, *(self._epochs.keys() - self._wanted)}
        if before != (self._epochs, self._returning):
            self._has_changed()

    def _has_changed(self) -> None:
        self._assigned = self._releasing = None
        self._changed.set()
        self._changed = anyio.Event()
