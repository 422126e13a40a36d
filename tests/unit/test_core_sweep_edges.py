"""Where a job's log begins and ends: history that is not delivered, and jobs that the API no longer has."""

import pytest
from core_samples import ABSENT, ANSWER, NOW, Sweeps, job

from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.status import ACTIVE, TERMINAL
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.recheck_backoff import Recheck
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY, Memory, Reconciliation
from tracker.core.reconciliation.stale_answers import Doubt

ID = ANSWER["id"]
CREATED = ANSWER["created_at"]
BEFORE = {"horizon": CREATED - 100, "since": (CREATED + 1000) * 1000}
FIRST = Checkpoint(**BEFORE)
LATER = Checkpoint(**BEFORE, watermark=CREATED - 60)


def first_observed(checkpoint, window=CREATED, **changed):
    """Whether the first sight of a job is logged, and if so whether it is backfilled."""
    changes = Reconciliation("default", checkpoint, window).observe([job(**changed)], {}, NOW)
    assert len(changes) <= 1
    return [change.backfilled for change in changes]


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize(
    ("created_at", "completed_at", "expected"),
    [
        (CREATED, CREATED + 10, [True]),
        (CREATED, CREATED + 1000, [True]),  # in the second of the first contact
        (CREATED, CREATED + 1001, [False]),  # between the first contact and the first answer
        (CREATED - 100, CREATED + 10, [True]),
        (CREATED - 101, CREATED + 10, []),  # older than history
        (CREATED - 101, CREATED + 1001, []),
        (0, 0, []),
        (CREATED, None, [True]),  # no end is said: it was over when it was created
        (CREATED, ABSENT, [True]),
        (CREATED + 1000, None, [True]),
        (CREATED + 1001, None, [False]),
    ],
)
def test_what_is_over_at_the_first_contact(status, created_at, completed_at, expected):
    """A job within history is logged; it is delivered only if it ended after the checkpoint. An older job is ignored."""
    assert first_observed(FIRST, created_at=created_at, completed_at=completed_at, status=status) == expected


@pytest.mark.parametrize("status", [*ACTIVE, "PAUSED"])
@pytest.mark.parametrize("created_at", [0, CREATED - 101, CREATED, CREATED + 1001])
@pytest.mark.parametrize("checkpoint", [FIRST, LATER])
def test_an_active_job_is_news_however_old_it_is(status, created_at, checkpoint):
    """A job that is still active when first seen is logged and delivered, at the first contact and later."""
    assert first_observed(checkpoint, status=status, created_at=created_at, completed_at=None) == [False]


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize(
    ("created_at", "completed_at", "expected"),
    [
        (CREATED, CREATED + 10, [False]),
        (CREATED - 100, CREATED - 99, [False]),
        (CREATED - 101, CREATED + 1001, []),
    ],
)
def test_after_the_first_whole_reading_everything_is_news(status, created_at, completed_at, expected):
    """Without a provider's time, an ended new job within history is delivered; an older one is ignored."""
    assert first_observed(LATER, created_at=created_at, completed_at=completed_at, status=status) == expected


def test_a_window_behind_the_horizon_is_of_interest():
    """What the sweep reads on purpose is logged, even if it was created before history begins."""
    assert first_observed(LATER, window=CREATED - 200, created_at=CREATED - 200, status="SUCCESS") == [False]
    assert first_observed(LATER, window=CREATED - 200, created_at=CREATED - 201, status="SUCCESS") == []


SINCE = BEFORE["since"]
LONG_BEFORE, JUST_BEFORE = CREATED + 940, CREATED + 941


@pytest.mark.parametrize(
    ("completed_at", "knows_clock", "now", "expected"),
    [
        pytest.param(LONG_BEFORE, True, SINCE, True, id="long before"),
        pytest.param(JUST_BEFORE, True, SINCE, False, id="just before"),
        pytest.param(LONG_BEFORE, False, SINCE, False, id="by an unknown clock"),
        pytest.param(LONG_BEFORE, True, SINCE - 1, False, id="our clock was set back"),
        pytest.param(None, True, SINCE, False, id="no end is said"),
        pytest.param(0, True, SINCE, True, id="an end before its creation"),
    ],
)
def test_what_ended_long_before_the_first_contact_is_never_news(completed_at, knows_clock, now, expected):
    """A job that was unreadable at first is logged and not delivered once readable, unless a clock may be wrong."""
    sweep = Reconciliation("default", LATER, CREATED)
    sweep.knows_clock = knows_clock
    (change,) = sweep.observe([job(status="FAILED", completed_at=completed_at)], {}, now)
    assert change.backfilled == expected


def test_the_steps_of_a_backfilled_job_stay_with_it():
    """A job that was over before us stays backfilled when the same page shows it again with something more."""
    shown = [job(status="SUCCESS", output_file=None), job(status="SUCCESS")]
    (change,) = Reconciliation("default", Checkpoint(since=NOW, horizon=0), 0).observe(shown, {}, NOW)
    assert change.backfilled
    assert [event.type for event in change.events] == ["batch.created", "batch.completed", "batch.updated"]


def test_what_a_sweep_was_shown():
    """Ids and the newest creation count whatever is believed of the jobs; missing ids are not shown."""
    sweep = Reconciliation("default", LATER, CREATED)
    assert (sweep.shown, sweep.newest) == (set(), None)
    stale = job(status="QUEUED", created_at=CREATED + 5)
    ignored = job(id="ignored", status="SUCCESS", created_at=0)
    sweep.observe([ignored], {}, NOW)
    assert (sweep.shown, sweep.newest) == ({"ignored"}, 0)
    sweep.observe([stale, ignored], {ID: Known(job())}, NOW)
    sweep.record_missing("gone")
    assert (sweep.shown, sweep.newest) == ({"ignored", ID}, CREATED + 5)


def test_a_job_is_deleted_when_the_api_lacks_it_a_minute_later_too():
    """One 404 is a doubt, one within a minute none more, one after that an event, and then the job is not deleted again."""
    sweeps = Sweeps(job(), every=30_000)
    assert sweeps(missing=[ID]) == []
    assert sweeps(missing=[ID]) == []
    assert sweeps.known[ID].active
    assert sweeps(missing=[ID]) == ["batch.deleted"]
    assert sweeps.state(ID) == Known(job(), deleted=True)
    assert sweeps.doubts == EMPTY_MEMORY


def test_a_job_that_is_shown_in_between_is_not_gone():
    """A job that any answer showed exists: the 404 before it, or in the same sweep, counts for nothing."""
    sweeps = Sweeps(job(), every=60_000)
    assert sweeps(missing=[ID]) == []
    assert sweeps([job()]) == []
    assert sweeps(missing=[ID]) == []
    assert sweeps([job()], missing=[ID]) == []
    assert sweeps.doubts == EMPTY_MEMORY
    assert sweeps(missing=[ID]) == []
    assert sweeps(missing=[ID]) == ["batch.deleted"]


def test_a_stale_sight_of_a_job_proves_that_it_exists():
    """Even an answer that is not believed was an answer."""
    sweeps = Sweeps(job())
    assert sweeps(missing=[ID]) == []
    assert sweeps([job(status="QUEUED")]) == []
    assert sweeps(missing=[ID]) == []


def test_half_a_sweep_keeps_the_doubt_about_a_missing_job():
    """A sweep that did not come to ask leaves the first 404 standing; absence from its lists is no second one."""
    sweeps = Sweeps(job(), every=60_000)
    assert sweeps(missing=[ID]) == []
    first = sweeps.now
    assert sweeps() == []
    assert sweeps([job(id="another")]) == ["batch.created", "batch.started"]
    assert sweeps.doubts == Memory(missing={ID: Recheck.first(first)})
    assert sweeps(missing=[ID]) == ["batch.deleted"]


def test_absence_is_not_deletion():
    """However many sweeps do not show a job, nothing is said of it without a 404."""
    sweeps = Sweeps(job())
    for _ in range(5):
        assert sweeps([job(id="another")]) in (["batch.created", "batch.started"], [])
    assert sweeps.state(ID) == Known(job())


def test_a_restart_between_two_404s_costs_a_minute():
    """The doubt is only remembered, so that after a restart two more are needed."""
    sweeps = Sweeps(job(), every=60_000)
    assert sweeps(missing=[ID]) == []
    sweeps.restart()
    assert sweeps(missing=[ID]) == []
    assert sweeps(missing=[ID]) == ["batch.deleted"]


BACK = [
    pytest.param({}, "batch.updated", id="as it was"),
    pytest.param({"status": "SUCCESS"}, "batch.completed", id="at its end"),
    pytest.param({"completed_requests": 10}, "batch.progress", id="with a counter that fell"),
    pytest.param({"status": "QUEUED", "model": None}, "batch.updated", id="with an older status"),
]


@pytest.mark.parametrize(("changed", "type_"), BACK)
def test_a_deleted_job_that_is_back_is_tracked_again_at_once(changed, type_):
    """Whatever its counters do, the first answer that shows it undoes the deletion."""
    sweeps = Sweeps(job(), deleted=True)
    assert type_ in sweeps([job(**changed)])
    assert sweeps.log[-1].changes.get("deleted", sweeps.log[0].changes.get("deleted")) == (True, False)
    assert sweeps.state(ID) == Known(job(**changed))


def missing_after(sweeps, ids, *pages):
    """After how many minutes, asked each minute, the ids are logged as deleted; None where they are not within 25 hours."""
    for minutes in range(25 * 60):
        if sweeps(*pages, missing=ids):
            return minutes
    return None


@pytest.mark.parametrize(
    ("missing", "others", "minutes"),
    [
        pytest.param(1, 10, 1, id="one of many"),
        pytest.param(1, 0, 1, id="the only one"),
        pytest.param(5, 10, 1, id="a few of many"),
        pytest.param(6, 10, 60, id="many, though others are shown"),
        pytest.param(2, 0, 24 * 60, id="all"),
    ],
)
def test_many_404s_at_once_are_trouble_of_the_account(missing, others, minutes):
    """As many as that are not believed within a minute, the sweep says so, and only a day without anything makes it true."""
    lost, kept = [job(id=f"lost-{n}") for n in range(missing)], [job(id=f"kept-{n}") for n in range(others)]
    sweeps = Sweeps(*lost, *kept, every=60_000)
    sweeps([*lost, *kept])
    assert missing_after(sweeps, [each.id for each in lost], kept) == minutes
    assert (sweeps.suspicion is not None) == (minutes > 1)


def test_one_404_is_not_believed_while_nothing_else_is_shown_either():
    """A job that is missing together with the ended ones that were shown beside it is missing by another key's doing."""
    ended = job(id="ended", status="SUCCESS")
    sweeps = Sweeps(job(), ended, every=60_000)
    sweeps([job(), ended])
    assert missing_after(sweeps, [ID]) == 24 * 60
    assert "1 active job" in sweeps.suspicion.detail
    assert sweeps.suspicion.reason == "jobs_missing"


def test_jobs_of_another_workspace_are_no_witnesses():
    """It shows jobs of its own, sweep after sweep: they are tracked, and prove nothing about those that are missing."""
    ours, others = [job(id="ours"), job(id="ended", status="SUCCESS")], [job(id=f"other-{number}") for number in range(3)]
    sweeps = Sweeps(*ours, every=60_000)
    sweeps(ours)
    assert missing_after(sweeps, ["ours"], others, others) == 0  # what it logs then are the others
    assert missing_after(sweeps, ["ours"], others, others) == 24 * 60 - 1
    assert sweeps.suspicion is not None


def test_new_jobs_beside_known_ones_are_witnesses_soon():
    """What is first shown together with a job of before belongs to the account, and counts from the next sweep on."""
    sweeps = Sweeps(job(id="lost"), job(id="kept"), every=60_000)
    sweeps([job(id="lost"), job(id="kept")])
    sweeps([job(id="kept"), job(id="new")], missing=["lost"])
    assert sweeps([job(id="new")], missing=["lost"]) == ["batch.deleted"]


def test_jobs_that_are_back_end_the_suspicion():
    """Four sweeps of another workspace's answers leave no trace once the account answers as it did."""
    jobs = [job(id=f"job-{number}") for number in range(10)]
    sweeps = Sweeps(*jobs, every=1_000)
    sweeps(jobs)
    for _ in range(4):
        assert sweeps(missing=[each.id for each in jobs]) == []
    assert sweeps(jobs) == []
    assert (sweeps.suspicion, sweeps.doubts) == (None, EMPTY_MEMORY)


def test_several_doubts_are_kept_apart():
    """Each job has its own: one is deleted, one is believed, one is doubted, one is left alone."""
    sweeps = Sweeps(*(job(id=id_) for id_ in "abcd"), every=60_000)
    fallen = dict.fromkeys(COUNTERS, 0)
    assert sweeps([job(id="b", **fallen), job(id="d")], missing=["a"]) == []
    assert sweeps([job(id="b", **fallen), job(id="c", **fallen), job(id="d")], missing=["a"]) == [
        "batch.progress",
        "batch.deleted",
    ]
    assert sweeps.doubts == Memory(behind={"c": Doubt(job(id="c", **fallen), sweeps.now)})
    assert {id_: known.active for id_, known in sweeps.known.items()} == {"a": False, "b": True, "c": True, "d": True}


def test_events_carry_the_account():
    """Whatever a sweep concludes, it says of which account."""
    sweeps = Sweeps(job(), job(id="gone"), every=60_000)
    sweeps([job(status="QUEUED")], missing=["gone"])
    sweeps([job(status="QUEUED"), job(id="new")], missing=["gone"])
    assert [event.account for event in sweeps.log] == ["default"] * 4
