"""Owns who works on what: one worker at a time for each name, and the next one only when the one before has ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup


class Worker(Protocol):
    """What works until it is told to leave."""

    async def run(self) -> None:
        """Work; return soon once `leave` was called, were it before `run`."""

    def leave(self) -> None:
        """End the work."""


D = TypeVar("D")
W = TypeVar("W", bound=Worker)


class _Shift(msgspec.Struct, Generic[D, W], eq=False):
    duty: D
    worker: W
    ended: anyio.Event


class Roster(Generic[D, W]):
    """Workers by name, each for its duty. A worker that raises takes the group with it."""

    def __init__(self, group: TaskGroup, hire: Callable[[D], W]) -> None:
        self._group = group
        self._hire = hire
        self._duties: dict[str, D] = {}
        self._shifts: dict[str, list[_Shift[D, W]]] = {}  # that have not ended, the newest last

    def assign(self, duties: Mapping[str, D]) -> None:
        """Have these done from now on, and nothing else; who has the same duty as before does not notice."""
        for name in [name for name, duty in self._duties.items() if name not in duties or duties[name] != duty]:
            del self._duties[name]
            for shift in self._shifts.get(name, ()):
                shift.worker.leave()
        for name, duty in duties.items():
            if name not in self._duties:
                self._duties[name] = duty
                self._start(name, _Shift(duty, self._hire(duty), anyio.Event()))

    def workers(self, name: str) -> Sequence[W]:
        """Those that work under this name: some may be leaving, or have not begun."""
        return [shift.worker for shift in self._shifts.get(name, ())]

    async def left(self, name: str) -> None:
        """Wait for the end of those that work under this name now."""
        for shift in [*self._shifts.get(name, ())]:
            await shift.ended.wait()

    async def ended(self) -> None:
        """Wait for the end of all who work now."""
        for shift in [shift for shifts in self._shifts.values() for shift in shifts]:
            await shift.ended.wait()

    def _start(self, name: str, shift: _Shift[D, W]) -> None:
        shifts = self._shifts.setdefault(name, [])
        self._group.start_soon(self._work, name, shift, shifts[-1].ended if shifts else None)
        shifts.append(shift)

    async def _work(self, name: str, shift: _Shift[D, W], before: anyio.Event | None) -> None:
        if before is not None:
            await before.wait()
        await shift.worker.run()
        self._shifts[name].remove(shift)
        if not self._shifts[name]:
            del self._shifts[name]
        shift.ended.set()
