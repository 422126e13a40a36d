"""The faults of jobs and of creation times, as the simulated API shows them."""

import httpx
import msgspec
import pytest

from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import FILE_FAULTS, JOB_FAULTS, Fault, parse
from tracker.simulator.faults.job_and_file_faults import LATE, with_fault
from tracker.simulator.job_timeline import JobPlan, answer_at, job_at, status_at
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Query, Workspace

PATH = "/v1/batch/jobs"
BEGAN = 1_795_478_400.5
SOUND = JobPlan(id="the-job", created=BEGAN, requests=1000, failures=100, queued=5.0, validated=5.0, running=60.0)


@pytest.fixture
async def api():
    """A simulated API with a job that is in order and another one, as `show` asks for it: a function of a plan and a path."""
    other = msgspec.structs.replace(SOUND, id="other", created=BEGAN - 1)
    simulator = Simulator(Workspace([other]), lambda: BEGAN + 30)
    async with (
        open_server(simulator.app, "127.0.0.1", 0) as address,
        httpx.AsyncClient(base_url=address.url, headers={"authorization": "Bearer x"}) as client,
    ):

        async def show(plan, path="", **params):
            simulator.workspace = Workspace([other, plan])
            return await client.get(PATH + path, params=params)

        yield show


@pytest.mark.parametrize(
    ("kind", "listed", "got"),
    [("poisoned", 500, 500), ("poisoned-list", 500, 200), ("poisoned-get", 200, 500)],
    ids=str,
)
async def test_poisoned_job_spoils_what_shows_it(api, kind, listed, got):
    """A page with the job and a get of it are 500, each as ordered; a page without it, and another job, are answered."""
    poisoned = with_fault(SOUND, kind)
    assert (await api(poisoned)).status_code == listed
    assert (await api(poisoned, "/the-job")).status_code == got
    assert (await api(poisoned, "/other")).status_code == 200
    assert (await api(poisoned, page_size=1, order_by="created")).json()["data"][0]["id"] == "other"
    assert (await api(poisoned, page_size=1, page=1, order_by="created")).status_code == listed


@pytest.mark.parametrize(("poison", "status"), [("403", 403), ("no-id", 200)], ids=["403", "no-id"])
async def test_poison_may_be_another_answer(api, poison, status):
    """A job may be refused with 403, or be shown without its id."""
    answer = await api(msgspec.structs.replace(SOUND, poisoned=("get",), poison=poison), "/the-job")
    assert answer.status_code == status
    assert "id" not in answer.json()


def test_total_falls_and_the_model_is_lost_while_the_job_runs():
    """From the middle of its work on it has one request in a hundred fewer and no model; its counters go on."""
    plan = with_fault(SOUND, "falling-total")
    jobs = [job_at(plan, BEGAN + after) for after in (34, 35, 50, 66)]
    assert [job.total_requests for job in jobs] == [1000, 990, 990, 990]
    assert [job.model is None for job in jobs] == [False, True, True, True]
    assert [job.completed_requests for job in jobs] == [483, 500, 750, 990]
    assert jobs[-1].status == "SUCCESS"


def test_cancellation_is_withdrawn():
    """Its cancellation is requested, it runs again, and it ends by itself."""
    plan = with_fault(SOUND, "withdrawn")
    assert [step.status for step in plan.steps] == ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED", "RUNNING", "SUCCESS"]
    assert [status_at(plan, BEGAN + after) for after in (34, 36, 42)] == ["RUNNING", "CANCELLATION_REQUESTED", "RUNNING"]


def test_output_comes_late():
    """A SUCCESS has no files and short counters for two seconds, and is then what it would have been."""
    plan = with_fault(SOUND, "late-output")
    early, settled = job_at(plan, plan.ended), job_at(plan, plan.ended + LATE)
    assert early.status == settled.status == "SUCCESS"
    assert early.completed_at == settled.completed_at
    assert (early.output_file, early.error_file) == (None, None)
    assert early.completed_requests < early.total_requests
    assert settled == job_at(SOUND, plan.ended + LATE)


def test_counter_is_missing():
    """One counter is null, another one absent, and the creation is written with a fraction."""
    plan = with_fault(SOUND, "missing-counter")
    whole, lacking = answer_at(plan, BEGAN + 34), answer_at(plan, BEGAN + 70)
    assert whole == job_at(SOUND, BEGAN + 34).to_data()
    assert lacking["failed_requests"] is None
    assert "succeeded_requests" not in lacking
    assert str(lacking["created_at"]) == f"{int(BEGAN)}.0"


async def test_fault_is_what_the_metadata_asks_for(api):
    """A created job whose metadata names a fault of jobs has it."""
    chosen = Population(1).plan(BEGAN, "poisoned")
    assert (await api(chosen)).status_code == 500


@pytest.mark.parametrize("kind", [*JOB_FAULTS, *FILE_FAULTS])
def test_fault_strikes_its_share_of_all_jobs(kind):
    """About as many jobs as ordered have the fault, the same ones each time, and all else is as without it."""
    sound, afflicted, again = (_plans(faults) for faults in ([], parse(f"{kind}:0.3"), parse(f"{kind}:0.3")))
    struck = [with_fault(plan, kind) == other != plan for plan, other in zip(sound, afflicted, strict=True)]
    assert 0.15 < sum(struck) / len(struck) < 0.45
    assert all(has or plan == other for has, plan, other in zip(struck, sound, afflicted, strict=True))
    assert again == afflicted


def test_jobs_of_a_minute_are_created_in_its_first_second():
    """With the fault at 1 every job's creation is the first second of a minute, still in order; at 0.5 about half are."""
    for share, least, most in ((1.0, 1.0, 1.0), (0.5, 0.2, 0.8)):
        created = [plan.created for plan in _plans([Fault("same-second", share)])]
        assert created == sorted(created)
        assert least <= sum(moment % 60 == 0 for moment in created) / len(created) <= most


def _plans(faults):
    workspace = Workspace(arrivals=Population(4, faults=faults).arrivals(40, BEGAN))
    return workspace.matching(Query(newest_first=False), BEGAN)
