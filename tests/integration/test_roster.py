"""Who works on what: the next one begins when the one before has ended, and who is not concerned does not notice."""

import anyio
import pytest

from tracker.daemon.worker_registry import Roster

LIFE = 5.0


class Worker:
    """Works until it is told to leave, and then ends only when `may_end` is set."""

    def __init__(self, duty, diary, *, reluctant):
        self.duty, self._diary = duty, diary
        self.left, self.may_end = anyio.Event(), anyio.Event()
        if not reluctant:
            self.may_end.set()

    def leave(self):
        self.left.set()

    async def run(self):
        self._diary.append(f"begins {self.duty}")
        await self.left.wait()
        await self.may_end.wait()
        self._diary.append(f"ends {self.duty}")


@pytest.fixture
async def roster():
    """A roster, the workers that it has hired, and what they did; with `roster.reluctant` they do not end at once."""
    async with anyio.create_task_group() as group:

        def hire(duty):
            worker = Worker(duty, roster.diary, reluctant=roster.reluctant)
            roster.hired.append(worker)
            return worker

        roster = Roster(group, hire)
        roster.diary, roster.hired, roster.reluctant = [], [], False
        with anyio.fail_after(LIFE):
            yield roster
        group.cancel_scope.cancel()


async def test_only_what_is_different_changes(roster):
    """Of three names one keeps its duty, one gets another, one goes; a fourth comes."""
    roster.assign({"same": 1, "changed": 2, "gone": 3})
    await anyio.wait_all_tasks_blocked()
    roster.assign({"same": 1, "changed": 20, "new": 4})
    await anyio.wait_all_tasks_blocked()
    assert sorted(roster.diary) == ["begins 1", "begins 2", "begins 20", "begins 3", "begins 4", "ends 2", "ends 3"]
    assert [worker.duty for name in ("same", "changed", "gone", "new") for worker in roster.workers(name)] == [1, 20, 4]


async def test_successor_waits_for_the_end(roster):
    """Whoever follows somebody who takes his time begins after him; whose duty passed meanwhile leaves before he begins."""
    roster.reluctant = True
    roster.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    for duty in (2, 3):
        roster.assign({"name": duty})
    await anyio.wait_all_tasks_blocked()
    assert roster.diary == ["begins 1"]
    assert [worker.duty for worker in roster.workers("name")] == [1, 2, 3]
    assert [worker.left.is_set() for worker in roster.hired] == [True, True, False]
    for worker in roster.hired:
        worker.may_end.set()
    await anyio.wait_all_tasks_blocked()
    assert roster.diary == ["begins 1", "ends 1", "begins 2", "ends 2", "begins 3"]


async def test_who_was_removed_and_comes_back_waits_too(roster):
    """A name that went and came back has one worker at a time all the same."""
    roster.reluctant = True
    roster.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    roster.assign({})
    roster.assign({"name": 1})
    await anyio.wait_all_tasks_blocked()
    assert roster.diary == ["begins 1"]
    roster.hired[0].may_end.set()
    await anyio.wait_all_tasks_blocked()
    assert roster.diary == ["begins 1", "ends 1", "begins 1"]


async def test_end_of_all_is_waited_for(roster):
    """`ended` returns once the last of those who were there has ended."""
    roster.reluctant = True
    roster.assign({"one": 1, "two": 2})
    await anyio.wait_all_tasks_blocked()
    roster.assign({})
    with anyio.move_on_after(0.05) as waited:
        await roster.ended()
    assert waited.cancelled_caught
    for worker in roster.hired:
        worker.may_end.set()
    await roster.ended()
    assert sorted(roster.diary[2:]) == ["ends 1", "ends 2"]


async def test_exception_of_a_worker_ends_all():
    """Nothing goes on half: what a worker raises takes the group with it."""

    class Broken:
        def leave(self):
            pass

        async def run(self):
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        async with anyio.create_task_group() as group:
            Roster(group, lambda _duty: Broken()).assign({"name": 1})
    assert raised.group_contains(ZeroDivisionError)
