"""The worker registry: one worker at a time for each name; a successor starts when its predecessor has ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup


class Worker(Protocol):
    """Runs until it is stopped."""

    async def run(self) -> None:
        """Run; return soon after `stop` was called, even if that was before `run`."""

    def stop(self) -> None:
        """Let the worker end well."""

    def cancel(self) -> None:
        """End the worker at once."""


S = TypeVar("S")
W = TypeVar("W", bound=Worker)


class _Run(msgspec.Struct, Generic[S, W], eq=False):
    spec: S
    worker: W
    ended: anyio.Event
    is_stopping: bool = False


class WorkerRegistry(Generic[S, W]):
    """Workers by name, each with its spec. A worker that raises ends the group."""

    def __init__(self, group: TaskGroup, start_worker: Callable[[S], W]) -> None:
        self._group = group
        self._start_worker = start_worker
        self._specs: dict[str, S] = {}
        self._runs: dict[str, list[_Run[S, W]]] = {}  # that have not ended, the newest last

    def assign(self, specs: Mapping[str, S]) -> None:
        """Run exactly these specs from now on. A worker whose spec is unchanged keeps running."""
        for name in [name for name, spec in self._specs.items() if name not in specs or specs[name] != spec]:
            del self._specs[name]
            for run in self._runs.get(name, ()):
                run.is_stopping = True
                run.worker.stop()
        for name, spec in specs.items():
            if name not in self._specs:
                self._specs[name] = spec
                self._start(name, _Run(spec, self._start_worker(spec), anyio.Event()))

    def workers(self, name: str) -> Sequence[W]:
        """The workers of this name, the newest last: some may be stopping, or not have begun."""
        return [run.worker for run in self._runs.get(name, ())]

    def cancel_stopping(self, name: str) -> None:
        """End at once the workers of this name that are stopping."""
        for run in self._stopping(name):
            run.worker.cancel()

    async def wait_stopped(self, name: str) -> None:
        """Wait until the workers of this name that are stopping now have ended."""
        for run in self._stopping(name):
            await run.ended.wait()

    async def wait_all_stopped(self) -> None:
        """Wait until all present workers have ended."""
        for run in [run for runs in self._runs.values() for run in runs]:
            await run.ended.wait()

    def _stopping(self, name: str) -> list[_Run[S, W]]:
        return [run for run in self._runs.get(name, ()) if run.is_stopping]

    def _start(self, name: str, run: _Run[S, W]) -> None:
        runs = self._runs.setdefault(name, [])
        self._group.start_soon(self._run_worker, name, run, runs[-1].ended if runs else None)
        runs.append(run)

    async def _run_worker(self, name: str, run: _Run[S, W], before: anyio.Event | None) -> None:
        if before is not None:
            await before.wait()
        await run.worker.run()
        self._runs[name].remove(run)
        if not self._runs[name]:
            del self._runs[name]
        run.ended.set()
