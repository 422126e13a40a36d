"""A SUCCESS that cannot be complete waits for what it lacks, and no longer than it is allowed to."""

import pytest
from core_samples import ANSWER, CHECKPOINT, NOW, WINDOW, Sweeps, job

from tracker.core.events.job_diff import Known
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.incomplete_success import cannot_be_complete
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY, Reconciliation

ID = ANSWER["id"]
DONE = {"status": "SUCCESS", "completed_requests": 1000, "succeeded_requests": 980}

INCOMPLETE = [
    pytest.param({"output_file": None}, id="no output file"),
    pytest.param({"output_file": ""}, id="an empty output file"),
    pytest.param({"completed_requests": 999}, id="completed short of the total"),
    pytest.param({"succeeded_requests": 979}, id="succeeded and failed short of the total"),
]

COMPLETE = [
    pytest.param({}, id="all there"),
    pytest.param({"output_file": None, "outputs": [{"custom_id": "1"}]}, id="outputs inline"),
    pytest.param({"output_file": None, "succeeded_requests": 0, "failed_requests": 1000}, id="nothing succeeded"),
    pytest.param({"status": "FAILED", "completed_requests": 3, "output_file": None}, id="another end"),
    pytest.param({"status": "RUNNING", "output_file": None}, id="no end"),
    pytest.param({"completed_requests": 1001, "succeeded_requests": 990}, id="more than the total"),
    pytest.param(
        dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0), id="empty"
    ),
]


@pytest.mark.parametrize("changed", INCOMPLETE)
def test_what_cannot_be_complete(changed):
    """Requests succeeded and there is no output, or the counters do not reach the total."""
    assert cannot_be_complete(job(**(DONE | changed)))


@pytest.mark.parametrize("changed", COMPLETE)
def test_what_can_be_complete(changed):
    """Nothing is missing that has to be there, or it is no success at all."""
    assert not cannot_be_complete(job(**(DONE | changed)))


@pytest.mark.parametrize("known", [[job()], []], ids=["known", "new"])
@pytest.mark.parametrize("changed", INCOMPLETE)
def test_it_is_logged_when_it_is_complete(changed, known):
    """Nothing is logged of an answer that is too early; the next one that is whole is, with all that it has."""
    sweeps = Sweeps(*known, every=2_000, settle_for=15_000)
    assert sweeps([job(**(DONE | changed))]) == []
    assert sweeps.doubts.settling[ID].job == job(**(DONE | changed))
    assert sweeps([job(**DONE)])[-1] == "batch.completed"
    assert (sweeps.log[-1].data["output_file"], sweeps.log[-1].outcome) == (ANSWER["output_file"], "partial")
    assert sweeps.doubts == EMPTY_MEMORY


@pytest.mark.parametrize("seen_again", [True, False], ids=["seen again", "not seen again"])
@pytest.mark.parametrize("known", [[job()], []], ids=["known", "new"])
def test_it_is_logged_as_it_is_when_it_has_waited_long_enough(known, seen_again):
    """After `settle_for` what was shown last is the truth, be it shown once more or not."""
    early = job(**(DONE | {"output_file": None}))
    sweeps = Sweeps(*known, every=5_000, settle_for=15_000)
    types = [sweeps([early])] + [sweeps(*([[early]] if seen_again else [])) for _ in range(3)]
    assert types[:3] == [[]] * 3
    assert types[3][-1] == "batch.completed"
    assert sweeps.known[ID].job.status == "SUCCESS"
    assert sweeps.doubts == EMPTY_MEMORY


def test_it_is_logged_at_once_where_nothing_is_waited_for():
    """With `settle_for` at 0 the first answer counts."""
    sweeps = Sweeps(job())
    assert sweeps([job(**(DONE | {"output_file": None, "error_file": None}))]) == ["batch.completed"]


def test_a_stale_answer_does_not_end_the_wait():
    """A list that shows the job running once more says nothing about its end."""
    sweeps = Sweeps(job(), every=5_000, settle_for=15_000)
    early = job(**(DONE | {"output_file": None}))
    assert [sweeps([each]) for each in (early, job(), job())] == [[], [], []]
    assert sweeps([job()]) == ["batch.completed"]


def test_another_end_ends_the_wait():
    """An answer that shows the job failed is final, as any is."""
    sweeps = Sweeps(job(), every=5_000, settle_for=15_000)
    assert sweeps([job(**(DONE | {"output_file": None}))]) == []
    assert sweeps([job(status="FAILED")]) == ["batch.failed"]
    assert sweeps.doubts == EMPTY_MEMORY


def test_history_does_not_wait():
    """What was over before the first contact is as complete as it will be."""
    first = Checkpoint(since=NOW, horizon=0)
    sweep = Reconciliation("default", first, 0, settle_for=15_000)
    (change,) = sweep.observe([job(**(DONE | {"output_file": None}))], {}, NOW)
    assert change.backfilled


def test_a_deleted_job_that_is_back_as_a_success_waits_too():
    """Its end is news as that of any other."""
    sweeps = Sweeps(job(), deleted=True, every=2_000, settle_for=15_000)
    assert sweeps([job(**(DONE | {"output_file": None}))]) == []
    assert sweeps([job(**DONE)]) == ["batch.completed"]


@pytest.mark.parametrize("known", [[job(), job(id="kept")], [job(id="kept")]], ids=["known", "new"])
def test_an_end_that_was_seen_is_logged_though_the_job_is_gone(known):
    """404s while it waits are no deletion: it has ended, is logged as it was shown last, and leaves no doubt behind."""
    sweeps = Sweeps(*known, every=60_000, settle_for=300_000)
    early, kept = job(**(DONE | {"output_file": None})), [job(id="kept")]
    assert sweeps([early], kept) == []
    assert [sweeps(kept, missing=[ID]) for _ in range(4)] == [[]] * 4
    assert sweeps(kept, missing=[ID])[-1] == "batch.completed"
    assert (sweeps.log[-1].changes.get("deleted"), sweeps.doubts) == (None, EMPTY_MEMORY)


def test_a_clock_that_is_set_back_makes_nothing_wait_for_days():
    """The wait begins again, and is no longer than it was."""
    sweeps = Sweeps(job(), every=5_000, settle_for=15_000)
    early = job(**(DONE | {"output_file": None}))
    assert sweeps([early]) == []
    sweeps.now -= 86_400_000
    assert [sweeps([early]) for _ in range(4)][-1] == ["batch.completed"]


def test_what_is_settled_already_is_left_alone():
    """A job that another answer has ended in the meantime is not logged a second time."""
    early = job(**(DONE | {"output_file": None}))
    sweeps = Sweeps(job(), every=20_000, settle_for=15_000)
    assert sweeps([early]) == []
    sweeps.known[ID] = Known(job(**DONE))
    assert sweeps() == []


def test_of_two_answers_in_one_sweep_the_complete_one_counts():
    """The lists of one sweep may disagree: the early answer is dropped, whichever is first."""
    early, whole = job(**(DONE | {"output_file": None})), job(**DONE)
    for pages in ([[early], [whole]], [[whole], [early]], [[early, whole]], [[whole, early]]):
        sweeps = Sweeps(job(), settle_for=15_000)
        assert sweeps(*pages) == ["batch.completed"]
        assert sweeps.doubts == EMPTY_MEMORY
    sweep = Reconciliation("default", CHECKPOINT, WINDOW, settle_for=15_000)
    assert [len(change.events) for change in sweep.observe([early, whole], {}, NOW)] == [2]
