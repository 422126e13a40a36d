"""Owns who works on what: one worker at a time for each name, and the next one only when the one before has ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup


class Worker(Protocol):
    """What works until it is told to leave."""

    async def run(self) -> None:
        """Work; return soon once `stop` was called, were it before `run`."""

    def stop(self) -> None:
        """End the work."""


S = TypeVar("S")
W = TypeVar("W", bound=Worker)


class _Shift(msgspec.Struct, Generic[S, W], eq=False):
    spec: S
    worker: W
    ended: anyio.Event


class WorkerRegistry(Generic[S, W]):
    """Workers by name, each for its duty. A worker that raises takes the group with it."""

    def __init__(self, group: TaskGroup, start_worker: Callable[[S], W]) -> None:
        self._group = group
        self._start_worker = start_worker
        self._specs: dict[str, S] = {}
        self._shifts: dict[str, list[_Shift[S, W]]] = {}  # that have not ended, the newest last

    def assign(self, specs: Mapping[str, S]) -> None:
        """Have these done from now on, and nothing else; who has the same duty as before does not notice."""
        for name in [name for name, spec in self._specs.items() if name not in specs or specs[name] != spec]:
            del self._specs[name]
            for shift in self._shifts.get(name, ()):
                shift.worker.stop()
        for name, spec in specs.items():
            if name not in self._specs:
                self._specs[name] = spec
                self._start(name, _Shift(spec, self._start_worker(spec), anyio.Event()))

    def workers(self, name: str) -> Sequence[W]:
        """Those that work under this name: some may be leaving, or have not begun."""
        return [shift.worker for shift in self._shifts.get(name, ())]

    async def wait_stopped(self, name: str) -> None:
        """Wait for the end of those that work under this name now."""
        for shift in [*self._shifts.get(name, ())]:
            await shift.ended.wait()

    async def wait_all_stopped(self) -> None:
        """Wait for the end of all who work now."""
        for shift in [shift for shifts in self._shifts.values() for shift in shifts]:
            await shift.ended.wait()

    def _start(self, name: str, shift: _Shift[S, W]) -> None:
        shifts = self._shifts.setdefault(name, [])
        self._group.start_soon(self._work, name, shift, shifts[-1].ended if shifts else None)
        shifts.append(shift)

    async def _work(self, name: str, shift: _Shift[S, W], before: anyio.Event | None) -> None:
        if before is not None:
            await before.wait()
        await shift.worker.run()
        self._shifts[name].remove(shift)
        if not self._shifts[name]:
            del self._shifts[name]
        shift.ended.set()
