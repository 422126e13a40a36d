"""Where a job's story begins and ends: history that is nobody's business, and jobs that the API no longer has."""

import pytest
from core_samples import ABSENT, ANSWER, NOW, Sweeps, job

from tracker.core.diff import Known
from tracker.core.job import COUNTERS
from tracker.core.ports import Contact
from tracker.core.status import ACTIVE, TERMINAL
from tracker.core.sweep import NOTHING, Memory, Sweep

ID = ANSWER["id"]
CREATED = ANSWER["created_at"]
BEFORE = {"horizon": CREATED - 100, "since": (CREATED + 1000) * 1000}
FIRST = Contact(**BEFORE)
LATER = Contact(**BEFORE, watermark=CREATED - 60)


def first_observed(contact, window=CREATED, **changed):
    """Whether the first sight of a job is logged, and if so whether it is backfilled."""
    changes = Sweep("default", contact, window).observe([job(**changed)], {}, NOW)
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
    """It is logged but not told if it is within history and ended before the contact, told if later, else left alone."""
    assert first_observed(FIRST, created_at=created_at, completed_at=completed_at, status=status) == expected


@pytest.mark.parametrize("status", [*ACTIVE, "PAUSED"])
@pytest.mark.parametrize("created_at", [0, CREATED - 101, CREATED, CREATED + 1001])
@pytest.mark.parametrize("contact", [FIRST, LATER])
def test_an_active_job_is_news_however_old_it_is(status, created_at, contact):
    """What is not over when it is first seen is logged and told, at the first contact and later."""
    assert first_observed(contact, status=status, created_at=created_at, completed_at=None) == [False]


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
    """A job that is over and new within history is told, whatever the clocks say; one older than history is left alone."""
    assert first_observed(LATER, created_at=created_at, completed_at=completed_at, status=status) == expected


def test_a_window_behind_the_horizon_is_of_interest():
    """What the sweep reads on purpose is logged, even if it was created before history begins."""
    assert first_observed(LATER, window=CREATED - 200, created_at=CREATED - 200, status="SUCCESS") == [False]
    assert first_observed(LATER, window=CREATED - 200, created_at=CREATED - 201, status="SUCCESS") == []


def test_the_steps_of_a_backfilled_job_stay_with_it():
    """A job that was over before us stays backfilled when the same page shows it again with something more."""
    shown = [job(status="SUCCESS", output_file=None), job(status="SUCCESS")]
    (change,) = Sweep("default", Contact(since=NOW, horizon=0), 0).observe(shown, {}, NOW)
    assert change.backfilled
    assert [event.type for event in change.events] == ["batch.created", "batch.completed", "batch.updated"]


def test_what_a_sweep_was_shown():
    """Ids and the newest creation count whatever is believed of the jobs; missing ids are not shown."""
    sweep = Sweep("default", LATER, CREATED)
    assert (sweep.shown, sweep.newest) == (set(), None)
    stale = job(status="QUEUED", created_at=CREATED + 5)
    ignored = job(id="ignored", status="SUCCESS", created_at=0)
    sweep.observe([ignored], {}, NOW)
    assert (sweep.shown, sweep.newest) == ({"ignored"}, 0)
    sweep.observe([stale, ignored], {ID: Known(job())}, NOW)
    sweep.missing("gone")
    assert (sweep.shown, sweep.newest) == ({"ignored", ID}, CREATED + 5)


def test_a_job_is_deleted_when_the_api_lacks_it_twice():
    """One 404 is a doubt, the second in a row an event, and after that the job is not asked for or deleted again."""
    sweeps = Sweeps(job())
    assert sweeps(missing=[ID]) == []
    assert sweeps.known[ID].active
    assert sweeps(missing=[ID]) == ["batch.deleted"]
    assert sweeps.known[ID] == Known(job(), deleted=True)
    assert sweeps.memory == NOTHING


def test_a_job_that_is_shown_in_between_is_not_gone():
    """A job that any answer showed exists: the 404 before it, or in the same sweep, counts for nothing."""
    sweeps = Sweeps(job())
    assert sweeps(missing=[ID]) == []
    assert sweeps([job()]) == []
    assert sweeps(missing=[ID]) == []
    assert sweeps([job()], missing=[ID]) == []
    assert sweeps.memory == NOTHING
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
    sweeps = Sweeps(job())
    assert sweeps(missing=[ID]) == []
    assert sweeps() == []
    assert sweeps([job(id="another")]) == ["batch.created", "batch.started"]
    assert sweeps.memory == Memory(gone=frozenset({ID}))
    assert sweeps(missing=[ID]) == ["batch.deleted"]


def test_absence_is_not_deletion():
    """However many sweeps do not show a job, nothing is said of it without a 404."""
    sweeps = Sweeps(job())
    for _ in range(5):
        assert sweeps([job(id="another")]) in (["batch.created", "batch.started"], [])
    assert sweeps.known[ID] == Known(job())


def test_a_restart_between_two_404s_costs_a_sweep():
    """The doubt is only remembered, so that after a restart two more are needed."""
    sweeps = Sweeps(job())
    assert sweeps(missing=[ID]) == []
    sweeps.restart()
    assert sweeps(missing=[ID]) == []
    assert sweeps(missing=[ID]) == ["batch.deleted"]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCESS"])
def test_a_deleted_job_is_back_when_it_is_shown_twice(status):
    """A straggling answer does not undo a deletion, a repeated one does."""
    sweeps = Sweeps(job(), deleted=True)
    assert (sweeps([job(status=status)]), sweeps.stale) == ([], 1)
    assert sweeps.known[ID].deleted
    (type_,) = sweeps([job(status=status)])
    assert type_ == ("batch.updated" if status == "RUNNING" else "batch.completed")
    assert sweeps.log[0].changes["deleted"] == (True, False)
    assert sweeps.known[ID] == Known(job(status=status))


def test_several_doubts_are_kept_apart():
    """Each job has its own: one is deleted, one is believed, one is doubted, one is left alone."""
    sweeps = Sweeps(*(job(id=id_) for id_ in "abcd"))
    fallen = dict.fromkeys(COUNTERS, 0)
    assert sweeps([job(id="b", **fallen), job(id="d")], missing=["a"]) == []
    assert sweeps([job(id="b", **fallen), job(id="c", **fallen), job(id="d")], missing=["a"]) == [
        "batch.progress",
        "batch.deleted",
    ]
    assert sweeps.memory == Memory(behind={"c": job(id="c", **fallen)})
    assert {id_: known.active for id_, known in sweeps.known.items()} == {"a": False, "b": True, "c": True, "d": True}


def test_events_carry_the_account():
    """Whatever a sweep concludes, it says of which account."""
    sweeps = Sweeps(job(), job(id="gone"))
    sweeps([job(status="QUEUED")], missing=["gone"])
    sweeps([job(status="QUEUED"), job(id="new")], missing=["gone"])
    assert [event.account for event in sweeps.log] == ["default"] * 4
