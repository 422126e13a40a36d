"""A page that comes as before is observed without a look at its jobs, and only while what is known of them is what it was."""

import msgspec
import pytest
from core_samples import job

from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import KeptJobs
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.deletion_rules import WITNESSES
from tracker.core.reconciliation.reconcile import Reconciliation

NOW = 1_750_861_210_000
IDS = [f"job-{number}" for number in range(3)]


def kept():
    return KeptJobs(tuple(job(id=id_) for id_ in IDS))


def known(**changed):
    return {id_: Known(job(id=id_, **changed)) for id_ in IDS}


def observed(kept, known, witnesses=WITNESSES):
    """Whether the page counts as unchanged, its jobs that are shown, and the newest creation; others were shown before it."""
    others = {f"other-{number}": Known(job(id=f"other-{number}", created_at=1)) for number in range(witnesses)}
    reconciliation = Reconciliation("a", Checkpoint(since=NOW, horizon=0), 0)
    reconciliation.observe([each.job for each in others.values()], others, NOW)
    unchanged = reconciliation.observes_unchanged(kept, known)
    return unchanged, reconciliation.shown - others.keys(), reconciliation.newest


def test_equal_jobs_are_in_memory_once():
    """What is known takes the place of an equal job, and of no other."""
    page, log = kept(), known()
    log["job-1"] = Known(job(id="job-1", status="FAILED"))
    own = page.jobs[1]
    page.share(log)
    assert [page.jobs[0] is log["job-0"].job, page.jobs[1] is own, page.jobs[2] is log["job-2"].job] == [True] * 3


def test_page_whose_jobs_are_known_is_observed_at_once():
    """Its jobs are shown, and the newest creation is theirs."""
    page, log = kept(), known()
    assert not observed(page, log)[0]
    page.share(log)
    assert observed(page, dict(log)) == (True, set(IDS), log["job-0"].job.created_at)


@pytest.mark.parametrize(
    "now_known",
    [
        pytest.param({"job-1": Known(job(id="job-1", status="FAILED"))}, id="another state"),
        pytest.param({"job-1": Known(job(id="job-1"))}, id="another value"),
        pytest.param({"job-1": None}, id="nothing"),
    ],
)
def test_page_is_observed_anew_where_something_else_is_known(now_known):
    """A job may have moved on by another answer: then the page shows an older state, which has to be looked at."""
    page, log = kept(), known()
    page.share(log)
    unchanged, shown, _ = observed(page, {id_: each for id_, each in (log | now_known).items() if each})
    assert (unchanged, shown) == (False, set())


@pytest.mark.parametrize("of_one", [{"deleted": True}, {"job": job(id="job-1", status="FAILED")}], ids=["deleted", "different"])
def test_page_with_a_job_that_is_known_otherwise_is_always_observed(of_one):
    """What comes back after its deletion, or contradicts what is known, is looked at each time."""
    page, log = kept(), known()
    log["job-1"] = msgspec.structs.replace(log["job-1"], **of_one)
    page.share(log)
    assert not observed(page, log)[0]


def test_page_is_observed_job_by_job_where_the_account_has_to_be_recognized():
    """While it is not certain that this is the account of before, each job is looked at, for it may prove it."""
    page, log = kept(), known()
    page.share(log)
    assert not observed(page, log, witnesses=WITNESSES - 1)[0]
