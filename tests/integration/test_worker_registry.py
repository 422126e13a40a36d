"""Who works on what: the next one begins when the one before has ended, and who is not concerned does not notice."""

import anyio
import pytest

from tracker.daemon.workers.registry import WorkerRegistry

LIFE = 5.0


class Worker:
    """Works until `stop`, and then ends only when `may_end` is set."""

    def __init__(self, spec, diary, *, reluctant):
        self.spec, self._diary = spec, diary
        self.left, self.may_end = anyio.Event(), anyio.Event()
        if not reluctant:
            self.may_end.set()

    def stop(self):
        self.left.set()

    def cancel(self):
        self._diary.append(f"cancelled {self.spec}")
        self.may_end.set()

    async def run(self):
        self._diary.append(f"begins {self.spec}")
        await self.left.wait()
        await self.may_end.wait()
        self._diary.append(f"ends {self.spec}")


@pytest.fixture
async def registry():
    """A roster, the workers that it has hired, and what they did; with `roster.reluctant` they do not end at once."""
    async with anyio.create_task_group() as group:

        def start_worker(spec):
            worker = Worker(spec, registry.diary, reluctant=registry.reluctant)
            registry.started.append(worker)
            return worker

        registry = WorkerRegistry(group, start_worker)
        registry.diary, registry.started, registry.reluctant = [], [], False
        with anyio.fail_after(LIFE):
            yield registry
        group.cancel_scope.cancel()


async def test_only_what_is_different_changes(registry):
    """Of three names one keeps its duty, one gets another, one goes; a fourth comes."""
    registry.assign({"same": 1, "changed": 2, "gone": 3})
    await anyio.wait_all_tasks_blocked()
    registry.assign({"same": 1, "changed": 20, "new": 4})
    await anyio.wait_all_tasks_blocked()
    assert sorted(registry.diary) == ["begins 1", "begins 2", "begins 20", "begins 3", "begins 4", "ends 2", "ends 3"]
    assert [worker.spec for name in ("same", "changed", "gone", "new") for worker in registry.workers(name)] == [1, 20, 4]


async def test_successor_waits_for_the_end(registry):
    """A successor begins after its slow predecessor has ended; one whose spec is outdated meanwhile stops before it begins."""
    registry.reluctant = True
    registry.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    for spec in (2, 3):
        registry.assign({"name": spec})
    await anyio.wait_all_tasks_blocked()
    assert registry.diary == ["begins 1"]
    assert [worker.spec for worker in registry.workers("name")] == [1, 2, 3]
    assert [worker.left.is_set() for worker in registry.started] == [True, True, False]
    for worker in registry.started:
        worker.may_end.set()
    await anyio.wait_all_tasks_blocked()
    assert registry.diary == ["begins 1", "ends 1", "begins 2", "ends 2", "begins 3"]


async def test_who_was_removed_and_comes_back_waits_too(registry):
    """A name that went and came back has one worker at a time all the same."""
    registry.reluctant = True
    registry.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    registry.assign({})
    registry.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    assert registry.diary == ["begins 1"]
    registry.started[0].may_end.set()
    await anyio.wait_all_tasks_blocked()
    assert registry.diary == ["begins 1", "ends 1", "begins 1"]


async def test_only_who_is_stopping_is_cancelled(registry):
    """A successor that waits for its predecessor is neither cancelled nor waited for."""
    registry.reluctant = True
    registry.assign({"name": 1, "other": 2})
    await anyio.wait_all_tasks_blocked()
    registry.assign({"other": 2})
    registry.assign({"name": 3, "other": 2})
    for name in ("name", "other", "unknown"):
        registry.cancel_stopping(name)
        await registry.wait_stopped(name)
    await anyio.wait_all_tasks_blocked()
    assert registry.diary == ["begins 1", "begins 2", "cancelled 1", "ends 1", "begins 3"]


async def test_end_of_all_is_waited_for(registry):
    """`ended` returns once the last of those who were there has ended."""
    registry.reluctant = True
    registry.assign({"one": 1, "two": 2})
    await anyio.wait_all_tasks_blocked()
    registry.assign({})
    with anyio.move_on_after(0.05) as waited:
        await registry.wait_all_stopped()
    assert waited.cancelled_caught
    for worker in registry.started:
        worker.may_end.set()
    await registry.wait_all_stopped()
    assert sorted(registry.diary[2:]) == ["ends 1", "ends 2"]


async def test_exception_of_a_worker_ends_all():
    """Nothing goes on half: what a worker raises takes the group with it."""

    class Broken:
        def stop(self):
            pass

        async def run(self):
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        async with anyio.create_task_group() as group:
            WorkerRegistry(group, lambda _spec: Broken()).assign({"name": 1})
    assert raised.group_contains(ZeroDivisionError)
