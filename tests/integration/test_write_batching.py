"""What a sweep has found and not recorded yet: when it is recorded, in how many commits, and what a failure leaves."""

import gc

import anyio
import pytest
from moving_api import new_job
from storage_engines import open_any_store

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.jobs.job import Page
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.polling.write_batching import MAX_BATCH, open_batcher
from tracker.providers.mistral.jobs_api import CAPABILITIES

NOW = 1_795_500_000
LIFE = 30.0
"""Seconds; nothing here takes so long, however slow the machine."""


class Recorder:
    """What was recorded, a list for each commit. A commit waits for `go_on`, and raises with `fails`."""

    def __init__(self, *, fails=False):
        self.commits = []
        self.asked = anyio.Event()
        self.go_on = anyio.Event()
        self._fails = fails

    async def record(self, changes):
        self.commits.append(changes)
        self.asked.set()
        await self.go_on.wait()
        if self._fails:
            raise StorageError("the disk is full")


async def test_what_is_added_is_recorded_before_the_sweep_ends():
    """A sweep may take minutes: what it finds is recorded soon for all that, together with what came meanwhile."""
    recorder = Recorder()
    recorder.go_on.set()
    with anyio.fail_after(LIFE):
        async with open_batcher(recorder.record) as batcher:
            await batcher.add(["first"])
            await batcher.add(["second"])
            assert recorder.commits == []
            await recorder.asked.wait()
            assert recorder.commits == [["first", "second"]]
            await batcher.add(["third"])
    assert recorder.commits == [["first", "second"], ["third"]]


async def test_end_waits_for_nothing(monkeypatch):
    """When the sweep has read all, what it found last is recorded at once."""
    monkeypatch.setattr("tracker.polling.write_batching.MAX_DELAY", 3600.0)
    recorder = Recorder()
    recorder.go_on.set()
    with anyio.fail_after(LIFE):
        async with open_batcher(recorder.record) as batcher:
            await batcher.add(["first"])
            await batcher.add([])
            await batcher.add(["second"])
    assert recorder.commits == [["first", "second"]]


async def test_who_finds_more_than_is_recorded_at_once_waits(monkeypatch):
    """What waits to be recorded has a bound: who adds too much goes on once it is recorded."""
    monkeypatch.setattr("tracker.polling.write_batching.MAX_DELAY", 3600.0)
    recorder, added = Recorder(), []

    async def add(batcher):
        for number in range(3):
            await batcher.add([number] * MAX_BATCH)
            added.append(number)

    with anyio.fail_after(LIFE):
        async with open_batcher(recorder.record) as batcher, anyio.create_task_group() as group:
            group.start_soon(add, batcher)
            await recorder.asked.wait()
            await anyio.wait_all_tasks_blocked()
            assert added == []
            recorder.go_on.set()
    assert added == [0, 1, 2]
    assert [len(changes) for changes in recorder.commits] == [MAX_BATCH] * 3


async def test_commits_are_made_one_after_another():
    """What was found later builds on what was found first, and is recorded once that is."""
    recorder = Recorder()
    with anyio.fail_after(LIFE):
        async with open_batcher(recorder.record) as batcher, anyio.create_task_group() as group:
            group.start_soon(batcher.add, ["first"] * MAX_BATCH)
            await recorder.asked.wait()
            group.start_soon(batcher.add, ["second"] * MAX_BATCH)
            await anyio.wait_all_tasks_blocked()
            assert recorder.commits == [["first"] * MAX_BATCH]
            recorder.go_on.set()
    assert recorder.commits == [["first"] * MAX_BATCH, ["second"] * MAX_BATCH]


async def test_who_is_cancelled_takes_nothing_along(monkeypatch):
    """A list that fails cancels those who read it, who may just be recording what another list has shown: it is recorded."""
    monkeypatch.setattr("tracker.polling.write_batching.MAX_DELAY", 3600.0)
    recorder, recorded = Recorder(), []

    async def record(changes):
        await recorder.record(changes)
        recorded.append(changes)

    with anyio.fail_after(LIFE):
        async with open_batcher(record) as batcher, anyio.create_task_group() as group:
            await batcher.add(["another's"])
            group.start_soon(batcher.add, ["mine"] * MAX_BATCH)
            await recorder.asked.wait()
            group.cancel_scope.cancel()
            recorder.go_on.set()
    assert recorded == [["another's", *["mine"] * MAX_BATCH]]


async def test_nothing_is_recorded_after_what_could_not_be():
    """Later changes build on earlier ones: after a commit that failed none of this sweep comes, and the failure gets out."""
    recorder = Recorder(fails=True)

    async def sweep():
        async with open_batcher(recorder.record) as batcher, anyio.create_task_group() as group:
            await batcher.add(["first"])
            await recorder.asked.wait()
            for _ in range(3):
                group.start_soon(batcher.add, ["later"] * MAX_BATCH)
            await anyio.wait_all_tasks_blocked()
            recorder.go_on.set()
            await anyio.sleep_forever()

    with anyio.fail_after(LIFE), pytest.raises(StorageError):
        await sweep()
    assert recorder.commits == [["first"]]


class Pages:
    """A provider of a number of new jobs in one list, whose pages from the second on wait for `answers`."""

    def __init__(self, jobs):
        self.capabilities = CAPABILITIES
        self._jobs = [new_job(f"job-{number}", NOW + number) for number in range(jobs)]
        self.answers = anyio.Event()

    async def list_jobs(self, _query, token, page_size):
        page = int(token or 0)
        if page:
            await self.answers.wait()
        return Page(tuple(self._jobs[page * page_size : (page + 1) * page_size]), (), len(self._jobs))


async def test_page_is_recorded_though_the_next_does_not_come(database):
    """The events of a page are in the log and reported while the sweep still waits for the API."""
    pages, reported = Pages(150), []

    def recorded(changes):
        reported.extend(change.known.job.id for change in changes)
        pages.answers.set()

    async with open_any_store(database) as store:
        poller = Poller("default", pages, store, backfill=0.0, now=lambda: NOW * 1000, callbacks=Callbacks(recorded=recorded))
        with anyio.fail_after(LIFE):
            report = await poller.poll_once()
    assert (len(reported), report.failure) == (150, None)


@pytest.mark.slow
async def test_first_contact_does_not_hold_all_events(database, monkeypatch):
    """However many jobs there are at first, of their events no more are in memory at a time than a few commits take."""
    monkeypatch.setattr("tracker.polling.write_batching.MAX_BATCH", 100)
    pages, held = Pages(1_200), []
    pages.answers.set()

    def recorded(_changes):
        held.append(sum(isinstance(each, Event) for each in gc.get_objects()))

    async with open_any_store(database) as store:
        poller = Poller("default", pages, store, backfill=0.0, now=lambda: NOW * 1000, callbacks=Callbacks(recorded=recorded))
        report = await poller.poll_once()
    assert report.events == 1_200
    assert 100 <= max(held) <= 2 * (100 + 100)
