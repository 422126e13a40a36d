"""What needs a person, as a table: which findings give which concern, in which order and words."""

import pytest
from overview_samples import figures

from tracker.core.deliveries.circuit import Circuit
from tracker.core.health.attention import WORDS, Findings, concerns
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.core.queries.overview import FailingJob
from tracker.core.replicas.lease import account_lease

JOB, OTHER = ("default", "job-1"), ("other", "job-2")


def found(overview=None, **given):
    return concerns(Findings(overview or figures(), **{"circuits": {}, "dead": {}} | given))


@pytest.mark.parametrize(
    ("given", "kind", "count", "names"),
    [
        ({"not_ready_because": ["storage: full"]}, "daemon", 1, ("storage: full",)),
        ({"unheld": [account_lease("a")]}, "leases_unheld", 1, ("a",)),
        ({"failing_accounts": ["a", "b"]}, "accounts_failing", 2, ("a", "b")),
        ({"unreadable_accounts": ["a"]}, "accounts_unreadable", 1, ("a",)),
        ({"orphans": Orphans(accounts={"a": 7})}, "accounts_removed", 1, ("a",)),
        ({"orphans": Orphans(receivers={"r": Backlog(1, 2, None)})}, "receivers_removed", 1, ("r",)),
        ({"circuits": {"r": Circuit(failures=5), "s": Circuit(failures=4)}}, "receivers_failing", 1, ("r",)),
        ({"circuits": {"r": Circuit(disabled=True)}}, "receivers_failing", 1, ("r",)),
        ({"dead": {"r": 2, "s": 3}}, "dead_deliveries", 5, ("r", "s")),
        ({"overview": figures(missing_results=4)}, "results_missing", 4, ()),
    ],
)
def test_each_finding_is_one_concern(given, kind, count, names):
    """It has its count and names, and the words for one or several."""
    (concern,) = found(**given)
    assert (concern.kind, concern.count, concern.names) == (kind, count, names)
    words = WORDS[kind]
    assert concern.severity == words.severity
    assert concern.text == (words.one if count == 1 else words.several.format(count))


@pytest.mark.parametrize(
    ("overview", "kind"),
    [
        (figures(stalled=(JOB, OTHER)), "jobs_stalled"),
        (figures(near_deadline=(JOB, OTHER)), "jobs_near_deadline"),
        (figures(failing=(FailingJob(*JOB, 0.5), FailingJob(*OTHER, 0.9))), "jobs_at_risk"),
    ],
)
def test_jobs_are_named_by_account_and_id(overview, kind):
    """Jobs that stall, near their deadline or fail in half of their requests are one concern with each of them."""
    (concern,) = found(overview)
    assert (concern.kind, concern.count, concern.jobs) == (kind, 2, (JOB, OTHER))


@pytest.mark.parametrize(("limit", "jobs"), [(0.5, (JOB,)), (0.51, ()), (0.2, (JOB,)), (None, ())])
def test_share_of_failed_requests_is_that_of_the_account(limit, jobs):
    """A job is at risk from the account's `failed_share` on; with "off" it never is."""
    risky = found(figures(failing=(FailingJob(*JOB, 0.5),)), failed_shares={"default": limit})
    assert tuple(job for concern in risky for job in concern.jobs) == jobs


def test_worst_comes_first_and_names_are_bounded():
    """What is severe stands before warnings; of many names the first 20 are given, and all are counted."""
    listed = found(dead={f"r{number:02}": 1 for number in range(30)}, failing_accounts=["a"])
    assert [(each.severity, each.count, len(each.names)) for each in listed] == [("bad", 1, 1), ("warn", 30, 20)]
    assert found() == []
