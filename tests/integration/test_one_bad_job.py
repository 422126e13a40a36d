"""What fails for one job, one list or one page costs only itself: all others are followed, and what is not read is said."""

from contextlib import asynccontextmanager
from itertools import pairwise

import msgspec
import pytest
from moving_api import MovingApi, new_job, stepped
from storage_engines import open_any_store

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import MalformedJob
from tracker.polling.pagination.page_splitting import MAX_REQUESTS
from tracker.polling.poller import Poller
from tracker.polling.unlisted_jobs import MAX_FAILED_GETS, MAX_GETS
from tracker.providers.mistral.jobs_api import CAPABILITIES

BEGIN = 1_750_000_000
DAY = 86_400
BROKEN = Failure(Reason.SERVER, "HTTP 500", status=500)


class World(MovingApi):
    """An API with pages of a hundred, and a poller before it on the same clock."""

    page_limit = CAPABILITIES.page_size

    def __init__(self):
        super().__init__(BEGIN)
        self.log = []

    @asynccontextmanager
    async def watched(self, path):
        async with open_any_store(path, notified=lambda event, _backfilled: self.log.append(event)) as store:
            now = lambda: self.clock * 1000  # noqa: E731 - it is what the poller is given
            self.poller = Poller("default", self, store, backfill=7 * DAY, now=now)
            yield self

    def add(self, *names, status="RUNNING", created=None):
        """New jobs, each created a second after the one before; all of them in one second where that is given."""
        for name in names:
            self.clock += created is None
            self.put(stepped(new_job(name, self.clock if created is None else created), status, self.clock))

    def end(self, *names):
        for name in names:
            self.put(stepped(self.jobs[name], "FAILED", self.clock))

    async def sweep(self, after=15):
        """The types and jobs of the events of a sweep `after` seconds later; its report and its cost are kept."""
        self.clock += after
        logged, before = len(self.log), self.requests
        self.asked.clear()
        self.report = await self.poller.poll_once()
        self.cost = self.requests - before
        return {(event.type, event.data["id"]) for event in self.log[logged:]}


@pytest.fixture
async def world(database):
    async with World().watched(database) as world:
        yield world


def failed(*names):
    return {("batch.failed", name) for name in names}


PLACES = [pytest.param(place, id=f"place {place}") for place in (0, 1, 49, 57, 99)]


@pytest.mark.parametrize("place", PLACES)
async def test_a_job_that_spoils_its_page_is_isolated(world, place):
    """Of a hundred jobs ninety-nine are found at once, by few requests, and the report names where the other one is."""
    names = [f"job-{number:03d}" for number in range(100)]
    world.add(*names)
    bad = names[place]
    world.unlisted = {bad}
    shown = {name for _, name in await world.sweep()}
    assert shown == set(names) - {bad}
    assert world.report.failure is None
    assert [(each.what, each.jobs) for each in world.report.unreadable] == [("list of new jobs", 1), ("list of active jobs", 1)]
    assert all("1 job created" in each.failure.detail for each in world.report.unreadable)
    assert world.cost <= 2 * 16 + 2


@pytest.mark.parametrize("place", PLACES)
async def test_beside_a_bad_job_everything_goes_on(world, place):
    """New jobs behind it are found, the ends of others are logged, sweep by sweep, for little more than without it."""
    names = [f"job-{number:03d}" for number in range(100)]
    world.add(*names)
    world.unlisted = {names[place]}
    await world.sweep()
    for number in range(6):
        new, ended = f"new-{number}", names[(place + 7 + number) % 100]
        world.add(new)
        world.end(ended)
        assert await world.sweep() >= {("batch.created", new), ("batch.failed", ended)}
        assert world.report.failure is None
        assert world.report.unreadable
    assert world.cost <= 40


async def test_a_bad_job_costs_little_while_nothing_happens(world):
    """Once it is isolated no sweep tries it again and again: the newest job of all is passed by with a few requests."""
    world.add("old", "bad", status="SUCCESS")
    world.unlisted = {"bad"}
    costs = []
    for _ in range(20):
        await world.sweep(15)
        costs.append(world.cost)
    assert sorted(costs)[len(costs) // 2] <= 4
    assert sum(costs) <= 20 * 4 + 6 * 20  # now and then, ever more rarely, all of it is read again


async def test_a_bad_job_that_can_be_read_again_is_found(world):
    """What could not be read is looked for again, so that nothing is lost once the API is mended."""
    world.add("before", "bad", "behind")
    world.unlisted = {"bad"}
    await world.sweep()
    await world.sweep()
    world.unlisted = set()
    world.end("bad")
    found = set()
    for _ in range(10):
        found |= await world.sweep(60)
    assert failed("bad") <= found
    assert world.report.unreadable == ()


async def test_the_watermark_passes_a_bad_job(world):
    """A restart does not begin at the bad job again each time: what was read behind it has been read."""
    world.add("before", "bad", *(f"job-{number}" for number in range(200)))
    world.unlisted = {"bad"}
    await world.sweep()
    checkpoint = await world.poller.store.checkpoint("default", None)
    assert checkpoint.watermark == world.jobs["before"].created_at
    for _ in range(12):
        await world.sweep(60)
    checkpoint = await world.poller.store.checkpoint("default", None)
    assert checkpoint.watermark >= world.jobs["job-199"].created_at


async def test_a_restart_reads_again_what_could_not_be_read_a_moment_ago(world):
    """Trouble that passes while the tracker is down hides nothing: for ten minutes it begins before what it could not read."""
    world.add("before", "bad", *(f"job-{number}" for number in range(200)), status="FAILED")
    world.unlisted = {"bad"}
    await world.sweep()
    world.unlisted = set()
    world.poller = Poller("default", world, world.poller.store, backfill=7 * DAY, now=world.poller.now)
    assert ("batch.created", "bad") in await world.sweep()


async def test_many_bad_jobs_are_isolated_sweep_by_sweep(world):
    """Where a twentieth of a thousand jobs is bad no sweep asks without end, each goes on where the last one stopped."""
    names = [f"job-{number:04d}" for number in range(1000)]
    world.add(*names, status="FAILED")
    world.unlisted = set(names[7::20])
    found = set()
    for number in range(40):
        found |= {name for _, name in await world.sweep(1)}
        assert world.cost <= 2 * MAX_REQUESTS + 30
        assert number > 5 or world.report.failure.reason is Reason.INCOMPLETE
    assert found == set(names) - world.unlisted
    assert world.report.failure is None


async def test_where_no_list_can_be_read_jobs_are_asked_for_by_id(world):
    """Lists that fail altogether stop nothing that a get can tell; the sweep is no good one, and says why."""
    world.add("one", "two")
    await world.sweep()
    world.broken = BROKEN
    world.end("one")
    assert await world.sweep() == failed("one")
    assert world.report.failure == BROKEN


async def test_gets_are_few_and_take_turns(world):
    """A thousand jobs cost a bounded number of gets in a sweep, and each has its turn."""
    names = [f"job-{number:03d}" for number in range(3 * MAX_GETS)]
    world.add(*names)
    await world.sweep()
    world.broken = BROKEN
    asked = set()
    for _ in range(3):
        await world.sweep()
        assert len(world.asked) == MAX_GETS
        asked.update(world.asked)
    assert asked == set(names)


async def test_an_outage_is_not_tried_job_by_job(world):
    """Where lists and gets fail alike nothing is said of the jobs, and hardly anything is asked."""
    names = [f"job-{number}" for number in range(20)]
    world.add(*names)
    await world.sweep()
    world.broken, world.refused = BROKEN, dict.fromkeys(names, BROKEN)
    await world.sweep()
    assert (world.report.failure, world.report.unreadable) == (BROKEN, ())
    assert len(world.asked) == 2


GETS = [
    pytest.param(BROKEN, id="500"),
    pytest.param(Failure(Reason.UNAUTHORISED, "HTTP 403", status=403), id="403"),
    pytest.param(Failure(Reason.MALFORMED, "expected an object, found a list"), id="something without an id"),
    pytest.param(Failure(Reason.REJECTED, "HTTP 422", status=422), id="422"),
]


@pytest.mark.parametrize("failure", GETS)
async def test_a_get_that_fails_costs_that_job_alone(world, failure):
    """The jobs behind it are asked for in the same sweep, the account is well, and the job is named."""
    names = ["a-bad", "b", "c"]
    world.add("kept", *names)
    await world.sweep()
    world.refused = {"a-bad": failure}
    world.delete("a-bad")
    for name in ("b", "c"):
        world.delete(name)
    await world.sweep()
    assert set(world.asked) == set(names)
    assert world.report.failure is None
    assert [(each.job, each.failure) for each in world.report.unreadable] == [("a-bad", failure)]


async def test_a_get_that_fails_is_asked_ever_more_rarely(world):
    """The longer it fails the longer it is left alone, an hour at most, and it is found when it answers again."""
    world.add("bad", "good")
    await world.sweep()
    world.unlisted, world.refused = {"bad"}, {"bad": BROKEN}
    asked = []
    for _ in range(4 * 60):
        await world.sweep(60)
        asked += [world.clock] * ("bad" in world.asked)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps == sorted(gaps)
    assert 3_000 <= gaps[-1] <= 3_660
    assert len(asked) <= 12
    world.refused = {}
    world.end("bad")
    found = set()
    for _ in range(61):
        found |= await world.sweep(60)
    assert failed("bad") <= found


class HalfBroken(World):
    """An API of which one list fails whatever is asked of it: `bad` is `new` or `active`, and `failing` what it comes to."""

    bad = None
    failing = BROKEN

    async def list_jobs(self, query, token, page_size):
        if self.bad == ("active" if query.statuses else "new"):
            self.requests += 1
            return self.failing
        return await super().list_jobs(query, token, page_size)


@pytest.mark.parametrize("bad", ["new", "active"])
@pytest.mark.parametrize("others", [0, 200], ids=["one list read", "two lists read"])
async def test_a_list_that_never_answers_costs_only_itself(database, bad, others):
    """It times out each time: the jobs of the other list are followed, and the ends logged; the account is not well."""
    async with HalfBroken().watched(database) as world:
        names = [f"job-{number:03d}" for number in range(10)]
        world.add(*(f"ended-{number:03d}" for number in range(others)), status="SUCCESS")
        world.add(*names)
        await world.sweep()
        await world.sweep()
        world.bad, world.failing = bad, Failure(Reason.NETWORK, "no complete answer within 10 s")
        for number, name in enumerate(names):
            world.end(name)
            world.add(f"new-{number}")
            assert await world.sweep() >= {*failed(name), ("batch.created", f"new-{number}")}
            assert world.cost <= 10
        assert bad == "active" or world.report.failure == world.failing


@pytest.mark.parametrize("bad", ["new", "active"])
async def test_a_list_that_fails_as_a_whole_costs_only_itself(database, bad):
    """The sweep ends, the ends of jobs are logged, and the parts of that list are not tried in each sweep."""
    async with HalfBroken().watched(database) as world:
        names = [f"job-{number:03d}" for number in range(40)]
        world.add(*(f"ended-{number:03d}" for number in range(200)), status="SUCCESS")
        world.add(*names)
        await world.sweep()
        await world.sweep()
        world.bad = bad
        costs = []
        for name in names[:20]:
            world.end(name)
            assert await world.sweep() == failed(name)
            assert world.report.failure is None or world.report.failure.reason is not Reason.NETWORK
            costs.append(world.cost)
        assert max(costs) <= MAX_REQUESTS + 20
        assert sum(cost > 10 for cost in costs) <= 4
        world.bad = None
        world.add("new", status="SUCCESS")
        assert await world.sweep() == {("batch.created", "new"), ("batch.completed", "new")}
        assert (world.report.failure, world.report.unreadable) == (None, ())


async def test_a_list_that_fails_as_a_whole_is_not_probed_in_each_sweep(database):
    """Once no part of it could be read, the next sweeps ask for it alone, until a part of it is due again."""
    async with HalfBroken().watched(database) as world:
        world.add(*(f"ended-{number:03d}" for number in range(200)), status="SUCCESS")
        world.add("active")
        await world.sweep()
        await world.sweep()
        world.bad = "new"
        costs = []
        for _ in range(4):
            await world.sweep()
            costs.append(world.cost)
        assert max(costs[1:]) < costs[0]


class Shapeless(World):
    """An API whose lists show some jobs without a status; `nowhere` says whether a get of these has none either."""

    shapeless = frozenset()
    nowhere = False

    async def list_jobs(self, query, token, page_size):
        answer = await super().list_jobs(query, token, page_size)
        if isinstance(answer, Failure):
            return answer
        bad = tuple(MalformedJob(job.id, "no status") for job in answer.jobs if job.id in self.shapeless)
        return msgspec.structs.replace(
            answer, jobs=tuple(job for job in answer.jobs if job.id not in self.shapeless), malformed=bad
        )

    async def get_job(self, job_id):
        answer = await super().get_job(job_id)
        return MalformedJob(job_id, "no status") if self.nowhere and job_id in self.shapeless else answer


async def test_a_job_without_a_status_in_its_list_is_asked_for(database):
    """Its own answer has one: it is followed to its end, and is named only while nothing can be read of it."""
    async with Shapeless().watched(database) as world:
        world.add("a", "b")
        await world.sweep()
        world.shapeless = {"a"}
        assert await world.sweep() == set()
        assert (world.report.failure, world.report.unreadable) == (None, ())
        world.end("a", "b")
        assert await world.sweep() == failed("a", "b")


@pytest.mark.slow
async def test_a_job_without_a_status_anywhere_is_asked_for_ever_more_rarely(database):
    """It is named once in each report, costs few gets, and is followed when its answers have a status again."""
    async with Shapeless().watched(database) as world:
        world.add("a", "b")
        await world.sweep()
        world.shapeless, world.nowhere = {"a"}, True
        asked = 0
        for _ in range(240):
            await world.sweep()
            asked += world.asked.count("a")
            assert [each.what for each in world.report.unreadable] == ["job a"]
        assert asked <= 12
        world.shapeless = frozenset()
        world.end("a")
        assert await world.sweep() == failed("a")
        assert world.report.unreadable == ()


async def test_a_job_that_a_list_shows_again_can_be_read(world):
    """That its get failed while it was in no list is not said for as long as it runs."""
    world.add("a", "b")
    await world.sweep()
    job = world.jobs["a"]
    world.refused = {"a": BROKEN}
    world.delete("a")
    await world.sweep()
    assert [each.what for each in world.report.unreadable] == ["job a"]
    world.put(job)
    await world.sweep()
    assert world.report.unreadable == ()


class SpoiltByOne(World):
    """An API that answers 500 for each page of a list that one job of it cannot be put into."""

    spoiling = None

    async def list_jobs(self, query, token, page_size):
        everything = await super().list_jobs(query, None, self.page_limit)
        self.requests -= 1
        if isinstance(everything, Failure) or self.spoiling in {job.id for job in everything.jobs}:
            self.requests += 1
            return BROKEN
        return await super().list_jobs(query, token, page_size)


@pytest.mark.parametrize("place", [0, 20, 39], ids=["first", "in the middle", "newest"])
async def test_a_job_that_spoils_every_page_is_passed_by(database, place):
    """New jobs behind it are found, short ones too, the ends of others are logged, it is named, and found once it heals."""
    async with SpoiltByOne().watched(database) as world:
        names = [f"job-{number:03d}" for number in range(40)]
        world.add(*names[:place])
        await world.sweep()
        world.spoiling = names[place]
        world.add(*names[place:])
        await world.sweep()
        costs = []
        for number in range(20):
            new, ended = f"new-{number}", names[(place + 1 + number) % 40]
            world.add(new, status="FAILED")
            if number < 10 and place not in (0, 39):
                world.end(ended)
            found = await world.sweep()
            assert found >= {("batch.created", new), ("batch.failed", new)}
            assert number >= 10 or place in (0, 39) or ("batch.failed", ended) in found
            costs.append(world.cost)
        (named,) = [each for each in world.report.unreadable if each.what == "list of new jobs"]
        assert "1 job created between" in named.failure.detail
        assert sorted(costs)[len(costs) // 2] <= 30 + 10
        world.spoiling = None
        assert ("batch.created", names[place]) in await world.sweep(3600)
        assert (world.report.failure, world.report.unreadable) == (None, ())


@pytest.mark.parametrize("failures", [1, 2, 3, 4, 9])
async def test_an_outage_that_ends_while_it_is_looked_at_is_no_bad_job(database, failures):
    """Whichever answer is the first good one, no hole is left, and the next sweep is whole."""
    async with SpoiltByOne().watched(database) as world:
        world.add("a", "b")
        await world.sweep()
        await world.sweep()
        world.spoiling, until = "b", world.requests + failures

        def recover():
            if world.requests > until:
                world.spoiling = None

        world.between = recover
        await world.sweep()
        world.add("c")
        assert ("batch.created", "c") in await world.sweep()
        assert (world.report.failure, world.report.unreadable) == (None, ())


async def test_many_gets_that_fail_end_the_sweep(world):
    """Each fails for itself, and none after some: the rest have their turn in the next sweep."""
    names = [f"job-{number}" for number in range(12)]
    world.add(*names)
    await world.sweep()
    world.refused = dict.fromkeys(names, BROKEN)
    for name in names:
        world.delete(name)
    for expected in (MAX_FAILED_GETS, 2 * MAX_FAILED_GETS, 12):
        await world.sweep(1)
        assert len(world.report.unreadable) == expected


ACCOUNT = [
    pytest.param(Failure(Reason.UNAUTHORISED, "HTTP 401", status=401), id="401"),
    pytest.param(Failure(Reason.NOT_ENABLED, "HTTP 402", status=402), id="402"),
    pytest.param(Failure(Reason.RATE_LIMITED, "HTTP 429", status=429), id="429"),
    pytest.param(Failure(Reason.NETWORK, "reset"), id="network"),
]


@pytest.mark.parametrize(
    ("where", "failure"),
    [
        pytest.param(where, each.values[0], id=f"{where}-{each.id}")
        for where in ("list", "get")
        for each in ACCOUNT
        if (where, each.id) != ("get", "network")
    ],
)
async def test_what_concerns_the_account_stops_the_rest(world, failure, where):
    """After such an answer nothing more is asked in the sweep, and the account is not well."""
    names = ["a", "b", "c"]
    world.add(*names)
    await world.sweep()
    world.refused = dict.fromkeys(names, failure)
    world.broken = failure if where == "list" else None
    for name in names:
        world.delete(name)
    await world.sweep()
    assert world.report.failure == failure
    assert len(world.asked) == (where == "get")


async def test_a_get_without_an_answer_costs_that_job_alone(world):
    """Where the lists can be read the network is there: others have their turn in the next sweep, the account is well."""
    names = ["a", "b", "c"]
    world.add(*names)
    await world.sweep()
    world.refused = {"a": Failure(Reason.NETWORK, "no complete answer within 10 s")}
    for name in names:
        world.end(name)
        world.unlisted.add(name)
    found = set()
    for _ in range(4):
        found |= await world.sweep()
        assert world.report.failure is None or world.report.failure.reason is not Reason.NETWORK
    assert found == failed("b", "c")
    assert "job a" in [each.what for each in world.report.unreadable]


async def test_a_get_without_an_answer_is_the_network_s_where_no_list_answers_either(world):
    """Then it is no job that is at fault: the account is not well, and no job is named."""
    world.add("a", "b")
    await world.sweep()
    world.broken = BROKEN
    world.refused = dict.fromkeys("ab", Failure(Reason.NETWORK, "reset"))
    await world.sweep()
    assert world.report.failure.reason is Reason.NETWORK
    assert (world.asked, world.report.unreadable) == (["a"], ())


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("others", [0, 3], ids=["without jobs", "with jobs of its own"])
async def test_a_key_of_another_workspace_deletes_no_job(world, others, restarts):
    """Whether that workspace has jobs or not, and even if the key came with a restart: what the account showed is not there."""
    world.add(*(f"ended-{number}" for number in range(3)), status="SUCCESS")
    world.add("active")
    await world.sweep()
    await world.sweep()
    ours, world.jobs = world.jobs, {}
    world.add(*(f"other-{number}" for number in range(others)))
    if restarts:
        world.poller = Poller("default", world, world.poller.store, backfill=7 * DAY, now=world.poller.now)
    for _ in range(20):
        assert not [id_ for type_, id_ in await world.sweep() if type_ == "batch.deleted"]
    assert world.report.failure.reason is Reason.JOBS_MISSING
    world.jobs = ours
    world.end("active")
    assert await world.sweep(3600) == failed("active")
    assert world.report.failure is None or others


async def test_another_workspace_s_answers_delete_nothing(world):
    """Minutes of empty lists and 404s leave every job as it was; the sweep says what is odd; then all goes on."""
    names = [f"job-{number}" for number in range(8)]
    world.add("ended", status="SUCCESS")
    world.add(*names)
    await world.sweep()
    world.elsewhere = True
    for _ in range(20):
        assert await world.sweep() == set()
    assert world.report.failure.reason is Reason.JOBS_MISSING
    world.elsewhere = False
    world.end(*names)
    assert await world.sweep() == failed(*names)
    assert world.report.failure is None


async def test_a_deleted_job_that_is_back_is_found_within_a_day(world):
    """It is asked for at growing intervals for a day, also after a restart, and tracked on from its next answer."""
    world.add("kept", "gone")
    await world.sweep()
    job = world.jobs["gone"]
    world.delete("gone")
    assert await world.sweep() == set()
    assert await world.sweep(60) == {("batch.deleted", "gone")}
    asked = 0
    for _ in range(12 * 60):
        await world.sweep(60)
        asked += "gone" in world.asked
    assert asked <= 12
    world.poller = Poller("default", world, world.poller.store, backfill=0.0, now=world.poller.now)
    world.put(msgspec.structs.replace(job, completed_requests=0, succeeded_requests=0))
    found = set()
    for _ in range(12):
        found |= await world.sweep(3600)
    assert ("batch.updated", "gone") in found or ("batch.progress", "gone") in found
    world.end("gone")
    assert await world.sweep() == failed("gone")


async def test_a_deleted_job_that_is_back_for_a_moment_ends_once(world):
    """It is back as a SUCCESS that lacks its output, and gone again before it has it: that is its end, and no new job."""
    world.poller = Poller("default", world, world.poller.store, backfill=DAY, now=world.poller.now, settle_for=30.0)
    world.add("kept", "gone")
    await world.sweep()
    job = world.jobs["gone"]
    world.delete("gone")
    await world.sweep()
    assert await world.sweep(60) == {("batch.deleted", "gone")}
    counts = {"total_requests": 5, "completed_requests": 5, "succeeded_requests": 5, "failed_requests": 0}
    world.put(msgspec.structs.replace(job, status="SUCCESS", completed_at=world.clock, output_file=None, **counts))
    assert await world.sweep() == set()
    world.delete("gone")
    assert [await world.sweep() for _ in range(3)] == [set(), {("batch.completed", "gone")}, set()]
    assert world.log[-1].changes["deleted"] == (True, False)


@pytest.mark.parametrize("jobs", [300, 1000])
async def test_jobs_of_one_second_that_end_together_are_explained_by_pages(world, jobs):
    """However many were created in one second, pages of it are read on: hardly any is asked for by id."""
    names = [f"job-{number:04d}" for number in range(jobs)]
    world.add("older")
    world.add(*names, created=world.clock + 1)
    world.clock += 1
    world.add(*(f"newer-{number}" for number in range(100)))
    await world.sweep()
    await world.sweep()
    world.end(*names)
    assert await world.sweep() == failed(*names)
    assert len(world.asked) == 0
    assert world.cost <= jobs // 100 + 8


async def test_an_api_that_ignores_the_page_is_reported(world):
    """Twenty of many jobs again and again: the sweep is no good one, says why, and costs few requests."""
    world.add(*(f"job-{number:03d}" for number in range(250)))
    honest = world.list_jobs

    async def first_page(query, _page, _size):
        page = await honest(query, None, 20)
        return msgspec.structs.replace(page, jobs=page.jobs[:20])

    world.list_jobs = first_page
    for _ in range(3):
        await world.sweep()
        assert world.report.failure.reason is Reason.INCOMPLETE
        assert "ignores `page`" in world.report.failure.detail
        assert world.cost <= 4 + MAX_GETS


async def test_the_watermark_waits_for_a_new_job_that_is_not_logged_yet(world):
    """A new SUCCESS that cannot be complete is read again after a restart: nothing moves past it before it is logged."""
    world.poller = Poller("default", world, world.poller.store, backfill=7 * DAY, now=world.poller.now, settle_for=3600.0)
    await world.sweep()
    world.add("early", status="SUCCESS")
    world.jobs["early"] = msgspec.structs.replace(
        world.jobs["early"], total_requests=5, completed_requests=5, succeeded_requests=5
    )
    world.clock += 600
    world.add("later")
    assert {name for _, name in await world.sweep()} == {"later"}
    checkpoint = await world.poller.store.checkpoint("default", None)
    assert checkpoint.watermark == world.jobs["early"].created_at
