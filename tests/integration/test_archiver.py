"""The loop that archives an account: what is due is archived at once, and nothing that fails delays anything else."""

import anyio
import pytest
from archive_world import LIFE, archive_world
from files_api import File, content, sha256
from job_changes import moved, seen
from waiting import until

from tracker.core.errors.storage_error import StorageError
from tracker.core.results.archive_task import GIVE_UP_AFTER
from tracker.results.archiver import JOBS_AT_ONCE
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness

DATA = content(3)


async def test_what_is_due_and_what_becomes_due_is_archived(tmp_path):
    """A task from before the start and one that is made while the archiver waits are archived, without a look at the clock."""
    async with archive_world(tmp_path, one=File(DATA), two=File(DATA)) as world:
        await world.ended("before", output_file="one")
        async with world.running():
            await world.observed.wait_until(lambda seen: len(seen.results) == 1)
            await anyio.wait_all_tasks_blocked()
            await world.ended("after", output_file="two")
            await world.observed.wait_until(lambda seen: len(seen.results) == 2)
    assert [results.job_id for results in world.observed.results] == ["before", "after"]
    assert world.stored() == ["default/after/two.jsonl.zst", "default/before/one.jsonl.zst"]


async def test_each_file_is_archived_once(tmp_path):
    """Of fifty jobs each file is downloaded once, however many of them are under way together."""
    files = {f"file{number}": File(content(number + 1)) for number in range(50)}
    async with archive_world(tmp_path, **files) as world:
        for number in range(50):
            await world.ended(f"job{number}", output_file=f"file{number}")
        async with world.running():
            await world.observed.wait_until(lambda seen: len(seen.results) == 50)
    assert {file.downloads for file in files.values()} == {1}
    found = {results.job_id: results.files[0].sha256 for results in world.observed.results}
    assert found == {f"job{number}": sha256(files[f"file{number}"].data) for number in range(50)}


async def test_new_job_waits_for_no_backlog(tmp_path):
    """A job that ends while a hundred wait is archived among the next few, and the backlog is archived from both its ends."""
    files = {f"old{number:02}": File(DATA) for number in range(99)}
    async with archive_world(tmp_path, new=File(DATA), **files) as world:
        archiver = world.archiver(slots=1)
        for id_ in files:
            await world.ended(id_, output_file=id_)
            world.clock.now += 1
        order = []
        async with anyio.create_task_group() as group:
            for number in range(12):
                if number == 4:
                    await world.ended("new", output_file="new")
                    world.clock.now += 1
                await archiver.start_due(group)
                order += sorted(archiver._under_way)
                while archiver._under_way:
                    await archiver._ended.wait()
            group.cancel_scope.cancel()
    assert "new" in order[16:24]
    assert {"old00", "old01", "old97", "old98"} <= set(order[:8])


async def test_observer_knows_which_files_are_new(tmp_path):
    """Where a job names a further file later, its first one is reported as recorded earlier, so that it is counted once."""
    files = {"output": File(DATA), "error": File(content(1, failed="bad"))}
    async with archive_world(tmp_path, **files) as world, world.running():
        first = seen("job", status="SUCCESS", now=world.clock.now, output_file="output")
        await world.store.record("default", [first])
        await world.observed.wait_until(lambda seen: len(seen.results) == 1)
        await world.store.record("default", [moved(first, now=world.clock.now + 1, error_file="error")])
        await world.observed.wait_until(lambda seen: len(seen.results) == 2)
    assert [len(results.files) for results in world.observed.results] == [1, 2]
    assert world.observed.earlier == [[], ["output"]]


async def test_job_that_fails_or_hangs_delays_no_other(tmp_path):
    """While one job's file hangs in the middle, and others fail each time, all jobs behind them are archived."""
    bad = {f"bad{number}": File(DATA, way) for number, way in enumerate(("cut", 500, "chunked-cut", 503, "chunked-short"))}
    good = {f"good{number}": File(DATA) for number in range(20)}
    async with archive_world(tmp_path, waits=File(DATA, "waits"), **bad, **good) as world:
        for id_ in ("waits", *bad, *good):
            await world.ended(id_, output_file=id_)
        async with world.running():
            await world.observed.wait_until(lambda seen: {each.job_id for each in seen.results} == good.keys())


async def test_failed_attempt_is_repeated_when_it_is_due(tmp_path):
    """What failed is archived as soon as its next attempt is due."""
    async with archive_world(tmp_path, out=File(DATA, "cut", "whole")) as world:
        await world.ended(output_file="out")
        async with world.running():
            await world.observed.wait_until(lambda seen: seen.postpones)
            world.clock.now += 3_600_000
            await world.store.record("default", [])  # nothing wakes it but the moment for which it waits
            await world.observed.wait_until(lambda seen: seen.results)
    assert world.observed.results[0].files[0].sha256 == sha256(DATA)


async def test_no_more_jobs_than_allowed_are_under_way(tmp_path):
    """At most four jobs of an account are under way, and over all accounts as many as there are slots."""
    files = {f"file{number}": File(DATA, "waits") for number in range(10)}
    for slots, most in ((8, JOBS_AT_ONCE), (2, 2)):
        async with archive_world(tmp_path / str(slots), **files) as world, anyio.create_task_group() as group:
            for id_ in files:
                await world.ended(id_, output_file=id_)
            group.start_soon(world.archiver(slots=slots).run)
            await world.api.began.wait()
            with anyio.move_on_after(0.3):  # an archiver that starts more does so by then
                await anyio.sleep_forever()
            assert sum(file.downloads for file in files.values()) == most
            group.cancel_scope.cancel()
        for file in files.values():
            file.downloads = 0


class Refusing:
    """An `ArchiveStore` whose calls of some names fail a few times."""

    def __init__(self, store, **failures):
        self._store = store
        self._failures = failures

    def __getattr__(self, name):
        if self._failures.get(name, 0) > 0:
            self._failures[name] -= 1
            raise StorageError("the disk is full")
        return getattr(self._store, name)


@pytest.mark.parametrize("call", ["claim", "next_due", "record", "fail"])
async def test_store_that_fails_for_a_while(tmp_path, call, monkeypatch):
    """An archiver whose database fails waits and goes on; the file is not downloaded again for that."""
    monkeypatch.setattr("tracker.results.archiver.backoff", lambda *_: 0.01)
    file = File(DATA, *(["cut"] if call == "fail" else []), "whole")
    async with archive_world(tmp_path, out=file) as world:
        await world.ended(output_file="out")
        async with world.running(store=Refusing(world.store.archive, **{call: 2})):
            if call == "fail":
                await world.observed.wait_until(lambda seen: seen.postpones or seen.results)
                world.clock.now += 3_600_000
            await world.observed.wait_until(lambda seen: seen.results)
    assert world.observed.results[0].files[0].sha256 == sha256(DATA)
    assert file.downloads == (2 if call == "fail" else 1)


async def test_account_that_is_refused_is_asked_less_and_less(tmp_path, monkeypatch):
    """What would fail for every job stops further jobs for a while, longer each time, until one succeeds."""
    pauses = []
    monkeypatch.setattr("tracker.results.archiver.backoff", lambda _, failures, *_rest: pauses.append(failures) or 1000.0)
    async with archive_world(tmp_path, out=File(DATA, 401, 401, "cut", "whole", 401)) as world:
        archiver = world.archiver()
        for id_ in "abc":
            await archiver.archive_once(await world.ended(id_, output_file="out"))
        async with anyio.create_task_group() as group:
            assert await archiver.start_due(group) > 900
            assert not archiver._under_way
        assert pauses == [1, 2]
        for id_ in "de":
            await archiver.archive_once(await world.ended(id_, output_file="out"))
    assert pauses == [1, 2, 1]


async def test_wait_that_the_api_asks_for(tmp_path):
    """The next attempt is made no sooner than the API asks, and else soon, then later and later."""
    ways = [(503, "retry-after: 900"), 500, 500, 500]
    async with archive_world(tmp_path, out=File(DATA, *ways)) as world:
        waits, task = [], await world.ended(output_file="out")
        for _ in ways:
            await world.archiver().archive_once(task)
            task = await world.task()
            waits.append((task.due_at - world.clock.now) / 1000)
    assert waits == [900.0, 10.0, 30.0, 60.0]


@pytest.mark.parametrize("obstacle", ["network", "archive"])
async def test_only_what_fails_for_several_jobs_stops_others(tmp_path, obstacle, monkeypatch):
    """One job whose API answers nothing, or whose folder cannot be made, never stops others; a second one does, each once."""
    pauses = []
    monkeypatch.setattr("tracker.results.archiver.backoff", lambda *_: pauses.append(1) or 0.0)
    ways = {"network": "closed", "archive": "whole"}
    async with archive_world(tmp_path, bad=File(DATA, ways[obstacle]), out=File(DATA)) as world:
        archiver = world.archiver()
        for id_ in ("always", "too") if obstacle == "archive" else ():
            (world.root / "default").mkdir(parents=True, exist_ok=True)
            (world.root / "default" / id_).write_text("a file in the folder's place")
        always, too = [await world.ended(id_, output_file="bad") for id_ in ("always", "too")]
        for _ in range(3):
            await archiver.archive_once(always)
        assert (len(world.observed.postpones), pauses) == (3, [])
        for task in (too, too, always):
            await archiver.archive_once(task)
        assert pauses == [1]
        await archiver.archive_once(await world.ended("good", output_file="out"))
        await archiver.archive_once(always)
    assert pauses == [1]
    assert {reason for _, reason in world.observed.postpones} == {obstacle}


async def test_restart_goes_on(tmp_path):
    """An archiver that is stopped in the middle of its work leaves its successor all that is not recorded."""
    files = {f"file{number}": File(DATA, "waits", "whole") for number in range(3)} | {"quick": File(DATA)}
    async with archive_world(tmp_path, **files) as world:
        for id_ in files:
            await world.ended(id_, output_file=id_)
        async with world.running():
            await world.observed.wait_until(lambda seen: seen.results)
            await world.api.began.wait()
        async with world.running():
            await world.observed.wait_until(lambda seen: len(seen.results) == 4)
    assert sorted(results.job_id for results in world.observed.results) == sorted(files)
    assert len(world.stored()) == 4


async def test_given_up_job_ends(tmp_path):
    """A job that fails until it is given up leaves no task, and is said to have failed."""
    async with archive_world(tmp_path, out=File(DATA, 500)) as world:
        await world.failed_often(await world.ended(output_file="out"))
        world.clock.now += round(GIVE_UP_AFTER * 1000)
        async with world.running():
            await world.observed.wait_until(lambda seen: seen.results)
            assert await world.task() is None
    assert world.observed.results[0].state == "failed"


async def test_job_of_before_a_long_stop_is_not_given_up(tmp_path):
    """A daemon that was stopped for a week tries again what fails at first."""
    async with archive_world(tmp_path, out=File(DATA, "cut", 500, "whole")) as world:
        await world.ended(output_file="out")
        world.clock.now += 7 * 86_400_000
        async with world.running():
            for postpones in (1, 2):
                await world.observed.wait_until(lambda seen, so_many=postpones: len(seen.postpones) == so_many)
                world.clock.now += 3_600_000
                await world.store.record("default", [])
            await world.observed.wait_until(lambda seen: seen.results)
    assert world.observed.results[0].state == "archived"


async def test_loop_that_waits_does_not_hang(tmp_path):
    """An archiver that has nothing to do, and one whose download waits, have announced for how long."""
    liveness = Liveness(1.0)
    heartbeat = Heartbeat(liveness.loop("archive"))
    async with archive_world(tmp_path, out=File(DATA, "waits")) as world, world.running(heartbeat=heartbeat):
        after = lambda seconds: list(liveness.overdue(anyio.current_time() + seconds))  # noqa: E731 - twice in a line
        await until(lambda: (after(50), after(70)) == ([], ["archive"]))  # a thread reads that nothing is due
        with anyio.fail_after(LIFE):
            await world.ended(output_file="out")
            await world.api.began.wait()
        await until(lambda: (after(4), after(70)) == ([], ["archive"]))  # it waits for the other half
