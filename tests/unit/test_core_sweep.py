"""What one sweep believes at once, what it doubts until later ones confirm it, and what it never believes."""

import random

import pytest
from core_samples import ANSWER, CHECKPOINT, NOW, WINDOW, Sweeps, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.events.job_diff import Known
from tracker.core.jobs.status import FOLLOWERS, TERMINAL, is_terminal
from tracker.core.reconciliation.deletion_rules import WITNESSES
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY, Reconciliation
from tracker.core.reconciliation.stale_answers import Doubt

ID = ANSWER["id"]

BEHIND = [
    pytest.param({"status": "QUEUED"}, "batch.updated", id="an older status"),
    pytest.param({"completed_requests": 899}, "batch.progress", id="a counter that fell"),
    pytest.param({"total_requests": 999, "failed_requests": 30}, "batch.progress", id="one counter of several"),
    pytest.param({"metadata": None}, "batch.updated", id="a property that is null"),
    pytest.param({"input_files": []}, "batch.updated", id="a property that is empty"),
]


@pytest.mark.parametrize(("changed", "type_"), BEHIND)
def test_what_lies_behind_is_believed_once_it_is_confirmed(changed, type_):
    """A stale answer is dropped and counted; said again 5 s later or more it is the truth, logged once and not counted."""
    sweeps = Sweeps(job())
    assert (sweeps([job(**changed)]), sweeps.stale) == ([], 1)
    assert sweeps.state(ID) == Known(job())
    assert (sweeps([job(**changed)]), sweeps.stale) == ([type_], 0)
    assert sweeps.state(ID) == Known(job(**changed))
    assert (sweeps([job(**changed)]), sweeps.stale, sweeps.doubts) == ([], 0, EMPTY_MEMORY)


@pytest.mark.parametrize(("changed", "type_"), BEHIND)
def test_what_is_contradicted_in_between_is_not_believed(changed, type_):
    """An answer that moves on, or agrees, ends the doubt: the stale one has to be said twice in a row from then on."""
    sweeps = Sweeps(job())
    assert sweeps([job(**changed)]) == []
    assert sweeps([job()]) == []
    assert sweeps.doubts == EMPTY_MEMORY
    assert sweeps([job(**changed)]) == []
    assert sweeps([job(**changed)]) == [type_]


MOVING = [
    pytest.param({"total_requests": 990}, "batch.progress", id="a total that fell"),
    pytest.param({"model": None}, "batch.progress", id="a model that became null"),
    pytest.param({"status": "RUNNING"}, "batch.started", id="a cancellation that was withdrawn"),
]


@pytest.mark.parametrize(("changed", "type_"), MOVING)
def test_a_job_that_moves_is_followed(changed, type_):
    """An answer need not be equal to the one that it confirms: a job whose counters go on is followed all the same."""
    sweeps = Sweeps(job(status="CANCELLATION_REQUESTED" if "status" in changed else "RUNNING"))
    assert sweeps([job(completed_requests=901, **changed)]) == []
    assert type_ in sweeps([job(completed_requests=902, **changed)])
    assert sweeps.state(ID) == Known(job(completed_requests=902, **changed))
    assert sweeps([job(completed_requests=903, **changed)]) == ["batch.progress"]


def test_an_answer_behind_the_one_before_confirms_nothing():
    """A replica that jumps back and forth is not believed: the doubt begins again with each answer that lies further behind."""
    sweeps = Sweeps(job())
    for count in (20, 10, 9, 8):
        assert sweeps([job(completed_requests=count)]) == []
    assert sweeps([job(completed_requests=8)]) == ["batch.progress"]


@pytest.mark.parametrize(("every", "sweeps_needed"), [(1_000, 6), (2_500, 3), (4_999, 3), (5_000, 2), (60_000, 2)])
def test_what_lies_behind_has_to_be_confirmed_for_five_seconds(every, sweeps_needed):
    """However often an account is polled, the first answer that is believed comes 5 s after the first doubt."""
    sweeps = Sweeps(job(), every=every)
    types = [sweeps([job(total_requests=990, completed_requests=901 + number)]) for number in range(sweeps_needed)]
    assert types == [[]] * (sweeps_needed - 1) + [["batch.progress"]]


def test_a_replica_that_lags_makes_no_job_step_back():
    """Of 30 jobs half of the answers are as old as 3 s, polled every second: no counter and no status ever goes back."""
    chance, sweeps = random.Random(7), Sweeps(every=1_000)
    for at in range(200):
        sweeps([_moving(number, at - 3 * chance.randrange(2)) for number in range(30)])
        fell = [
            event.changes for event in sweeps.log for was, is_ in event.changes.values() if isinstance(was, int) and is_ < was
        ]
        assert fell == []
    assert {known.job.completed_requests for known in sweeps.known.values()} >= {198, 199}


def _moving(number, at):
    return job(id=f"job-{number}", completed_requests=max(0, at), succeeded_requests=max(0, at), failed_requests=0)


def test_a_clock_that_is_set_back_begins_the_doubt_again():
    """What was doubted at a time that is still to come is not confirmed by it."""
    sweeps = Sweeps(job())
    assert sweeps([job(status="QUEUED")]) == []
    sweeps.now -= 3_600_000
    assert sweeps([job(status="QUEUED")]) == []
    assert sweeps([job(status="QUEUED")]) == ["batch.updated"]


def test_a_restart_costs_a_sweep():
    """Without the previous sweep's memory a stale answer is doubted again, and nothing else happens."""
    sweeps = Sweeps(job())
    assert sweeps([job(status="QUEUED")]) == []
    sweeps.restart()
    assert sweeps([job(status="QUEUED")]) == []
    assert sweeps([job(status="QUEUED")]) == ["batch.updated"]


def test_half_a_sweep_says_nothing_about_what_it_did_not_show():
    """The doubt about a job outlasts sweeps that show neither it nor its absence."""
    sweeps = Sweeps(job())
    assert sweeps([job(status="QUEUED")]) == []
    assert sweeps() == []
    assert sweeps([job(id="another")]) == ["batch.created", "batch.started"]
    assert sweeps([job(status="QUEUED")]) == ["batch.updated"]


CONTRADICTIONS = [
    *({"status": status} for status in (*FOLLOWERS, "PAUSED")),
    {"completed_requests": 10},
    {"output_file": None},
    {"status": "RUNNING", "completed_requests": 1000},
]


@pytest.mark.parametrize(
    ("status", "changed"),
    [(status, changed) for status in TERMINAL for changed in CONTRADICTIONS if changed != {"status": status}],
)
def test_a_terminal_state_is_final_for_ever(status, changed):
    """However often it is said, what contradicts a terminal state is counted and dropped."""
    sweeps = Sweeps(job(status=status))
    for _ in range(5):
        assert (sweeps([job(**({"status": status} | changed))]), sweeps.stale, sweeps.doubts) == ([], 1, EMPTY_MEMORY)
    assert sweeps.state(ID) == Known(job(status=status))


@pytest.mark.parametrize("changed", [{"output_file": "late"}, {"failed_requests": 21}, {"errors": ["late"]}])
def test_what_comes_late_is_still_news(changed):
    """A terminal job may still gain a file, a counter or an error."""
    sweeps = Sweeps(job(status="SUCCESS"))
    assert len(sweeps([job(status="SUCCESS", **changed)])) == 1
    assert sweeps.state(ID) == Known(job(status="SUCCESS", **changed))


@pytest.mark.parametrize("one_page", [True, False])
@pytest.mark.parametrize(
    ("shown", "types", "stale"),
    [
        (["RUNNING", "RUNNING"], ["batch.started"], 0),
        (["RUNNING", "SUCCESS"], ["batch.started", "batch.completed"], 0),
        (["SUCCESS", "RUNNING"], ["batch.completed"], 1),
        (["SUCCESS", "FAILED"], ["batch.completed"], 1),
        (["RUNNING", "QUEUED"], ["batch.started"], 1),
        (["RUNNING", "QUEUED", "SUCCESS"], ["batch.started", "batch.completed"], 1),
        (["QUEUED", "SUCCESS", "QUEUED"], ["batch.completed"], 1),
    ],
)
def test_of_duplicates_in_one_sweep_the_more_advanced_wins(shown, types, stale, one_page):
    """Lists shift while they are read: each step forward is logged once, each step back dropped and not remembered."""
    sweeps = Sweeps(job(status="QUEUED"))
    jobs = [job(status=status) for status in shown]
    assert sweeps(*([jobs] if one_page else [[each] for each in jobs])) == types
    assert (sweeps.stale, sweeps.doubts) == (stale, EMPTY_MEMORY)


@pytest.mark.parametrize("one_page", [True, False])
@pytest.mark.parametrize(("then", "types"), [("RUNNING", []), ("SUCCESS", ["batch.completed"])])
def test_what_is_contradicted_in_the_same_sweep_is_not_believed(then, types, one_page):
    """A step back that the sweep before saw too is dropped, and forgotten, once the job is shown as it was or further on."""
    sweeps = Sweeps(job())
    stale = job(status="QUEUED")
    sweeps([stale])
    assert sweeps.doubts != EMPTY_MEMORY
    jobs = [stale, job(status=then)]
    assert sweeps(*([jobs] if one_page else [[each] for each in jobs])) == types
    assert (sweeps.stale, sweeps.doubts) == (1, EMPTY_MEMORY)


def test_a_new_job_that_is_shown_twice_on_a_page_is_one_change():
    """Its events are in order in one change, so that they commit together."""
    sweep = Reconciliation("default", CHECKPOINT, WINDOW)
    (change,) = sweep.observe([job(status="QUEUED"), job(), job(status="SUCCESS"), job()], {}, NOW)
    assert [event.type for event in change.events] == ["batch.created", "batch.started", "batch.completed"]
    assert change.known == Known(job(status="SUCCESS"), logged_at=NOW)


def test_a_step_back_of_a_new_job_is_not_remembered():
    """The first sight of a job was believed, so that a stale one in the same sweep raises no doubt about it."""
    sweeps = Sweeps()
    assert sweeps([job()], [job(status="QUEUED")]) == ["batch.created", "batch.started"]
    assert (sweeps.stale, sweeps.doubts) == (1, EMPTY_MEMORY)


@pytest.mark.parametrize("counts", [(10, 20), (20, 10)])
def test_of_two_stale_answers_the_more_advanced_is_remembered(counts):
    """Which of the two was shown first makes no difference."""
    sweeps = Sweeps(job())
    assert sweeps([job(completed_requests=count) for count in counts]) == []
    assert sweeps.stale == 2
    assert sweeps.doubts.behind == {ID: Doubt(job(completed_requests=20), sweeps.now)}


def test_an_observation_changes_nothing_that_it_was_given():
    """What is known is the caller's: it learns of the changes from the answer alone."""
    known = {ID: Known(job())}
    Reconciliation("default", CHECKPOINT, WINDOW).observe([job(status="SUCCESS"), job(id="new")], known, NOW)
    assert known == {ID: Known(job())}


def test_an_end_that_lacks_something_is_believed_with_what_is_known():
    """A status that moves on is news at once, and what this answer lacks is kept until its loss is said twice."""
    sweeps = Sweeps(job())
    poor = job(status="SUCCESS", metadata=None, completed_requests=1000)
    assert sweeps([poor]) == ["batch.completed"]
    assert sweeps.state(ID) == Known(job(status="SUCCESS", completed_requests=1000))


statuses = st.sampled_from([*FOLLOWERS, "PAUSED"])
seen = st.builds(lambda status, count: job(status=status, completed_requests=count), statuses, st.integers(0, 3))


@given(sweeps_shown=st.lists(st.lists(seen, max_size=3), min_size=1, max_size=8), last=seen)
def test_any_answers_leave_a_log_that_chains(sweeps_shown, last):
    """Each change starts where the last one ended, nothing follows an end, and what is said twice is what is known."""
    sweeps, before = Sweeps(), None
    for page in [*sweeps_shown, [last], [last]]:
        sweeps(page)
        for event in sweeps.log:
            assert (event.type == "batch.created") is (before is None)
            if event.type != "batch.created" and before != event.data:
                assert not is_terminal(before["status"]) or before["status"] == event.data["status"]
                assert {name: was for name, (was, _) in event.changes.items()} == {name: before[name] for name in event.changes}
            before = event.data
    known = sweeps.known[ID].job
    assert known == last or is_terminal(known.status)
    assert known.to_data() == before


def test_a_bounded_number_of_jobs_proves_which_account_it_is():
    """However many jobs an account shows, a bounded number of them is remembered for the next sweep."""
    jobs = [job(id=f"job-{number}") for number in range(3 * WITNESSES)]
    sweeps = Sweeps(*jobs)
    sweeps(jobs[:WITNESSES], jobs[WITNESSES:])
    assert len(sweeps.memory.witnesses) == WITNESSES
