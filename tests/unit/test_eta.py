"""When a job will have ended is said once there is enough to say, and from what was really seen."""

import json
from itertools import pairwise

import msgspec
import pytest
from core_samples import NOW, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.events.event import iso
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.forecast.eta import MOST_SAMPLES, Sample, eta, extended, with_etas

MINUTE = 60_000


def history(*samples):
    """The history of samples (seconds, completed)."""
    grown = ()
    for seconds, completed in samples:
        grown = extended(grown, Sample(NOW + round(seconds * 1000), completed))
    return grown


def seconds_to_end(samples, total=1000):
    found = eta(history(*samples), total)
    return None if found is None else (found - NOW) / 1000


@pytest.mark.parametrize(
    ("samples", "end"),
    [
        ([(0, 0), (30, 10), (60, 20)], 3000),
        ([(0, 500), (30, 510), (60, 520)], 1500),
        ([(0, 0), (60, 20)], None),  # two samples
        ([(0, 0), (30, 10), (59.999, 20)], None),  # not a minute
        ([(0, 0), (30, 10), (60, 19)], None),  # less than 2 %
        ([], None),
        ([(0, 0), (30, 500), (60, 1000)], None),  # nothing left
        ([(0, 0), (30, 500), (60, 1001)], None),
    ],
)
def test_enough_to_say(samples, end):
    """Three samples, a minute and 2 % are enough, and less is not."""
    assert seconds_to_end(samples) == end


@pytest.mark.parametrize("total", [0, 1, 20])
def test_no_more_than_all(total):
    """A total that is unknown, or was reached, leaves nothing to estimate."""
    assert seconds_to_end([(0, 0), (30, 10), (60, 20)], total) is None


def test_a_job_that_slows_down():
    """The newer half counts: a job that was fast and is slow is expected when it will end at its present pace."""
    fast = [(10 * each, 10 * each) for each in range(11)]
    slow = [(100 + 60 * each, 100 + 6 * each) for each in range(1, 21)]
    assert seconds_to_end(fast + slow) == pytest.approx(slow[-1][0] + (1000 - slow[-1][1]) * 10, rel=0.01)


def test_a_step_back_is_no_progress():
    """What a lower count contradicts is forgotten, so that neither the fall nor the climb back counts."""
    steady = [(0, 0), (30, 10), (60, 20), (90, 30)]
    lie = [(45, 700)]
    assert history(*sorted(steady + lie)) == history(*steady)


def test_a_clock_that_jumps_back():
    """Samples from a time that is yet to come are forgotten."""
    assert history((3600, 1), (3700, 2), (0, 3)) == history((0, 3))


def test_a_second_look_at_the_same_moment():
    """Of two samples of one moment the later one counts; no time has passed to divide by."""
    assert history((0, 1), (0, 2)) == history((0, 2))


def test_an_end_beyond_the_calendar():
    """An estimate that no date can be written for is none."""
    far = (Sample(0, 0), Sample(10**14, 1), Sample(2 * 10**14, 2))
    assert eta(far, 100) is None


def test_a_long_history():
    """However long a job runs, few samples are kept, from the very first to the last."""
    lengths, grown = set(), ()
    for look in range(5000):
        grown = extended(grown, Sample(NOW + look * 15_000, look))
        lengths.add(len(grown))
    assert max(lengths) == MOST_SAMPLES
    assert (grown[0], grown[-1]) == (Sample(NOW, 0), Sample(NOW + 4999 * 15_000, 4999))


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(-3, 40)), min_size=1, max_size=300),
    st.integers(1, 20_000),
)
def test_whatever_is_seen(steps, total):
    """A history is bounded, rises, ends with what was seen last, and an estimate lies in the future."""
    at, completed, grown = NOW, 0, ()
    for seconds, done in steps:
        at, completed = at + seconds * 1000, max(0, completed + done)
        grown = extended(grown, Sample(at, completed))
        assert len(grown) <= MOST_SAMPLES
        assert grown[-1] == Sample(at, completed)
        assert all(a.at < b.at and a.completed <= b.completed for a, b in pairwise(grown))
        found = eta(grown, total)
        assert found is None or found >= at


@given(st.integers(3, 60), st.integers(1, 60), st.integers(3, 400), st.floats(0, 0.3))
def test_a_steady_job_is_estimated(every, rate, looks, noise):
    """Over hours, a job that goes at one pace is foretold at every step, within what its unsteadiness allows."""
    total, grown = every * rate * 1000, ()
    for look in range(looks):
        wobble = round(every * rate * noise * (look % 2))
        grown = extended(grown, Sample(NOW + look * every * 1000, look * every * rate + wobble))
        found = eta(grown, total)
        if found is not None:
            assert (found - NOW) / (every * 1_000_000) == pytest.approx(1, rel=0.12)
    assert (eta(grown, total) is not None) == (looks > max(-(-60 // every), 20))


def observed(count, at, histories, **properties):
    """The event of a progress of one job to `count`, as a sweep records it."""
    before = job(completed_requests=max(0, count - 1), **properties)
    change = diff("default", Known(before), job(completed_requests=count, **properties), at)
    (change,) = with_etas([change], histories, at)
    return change.events[0]


def test_progress_carries_it():
    """The third progress, after a minute, says when the job will have ended; those before it have no such key."""
    histories, events = {}, []
    for look in range(3):
        event = observed(100 + 100 * look, NOW + look * MINUTE, histories)
        events.append(json.loads(msgspec.json.encode(event)))
    assert ["eta" in event for event in events] == [False, False, True]
    assert events[2]["eta"] == iso(NOW + 9 * MINUTE)
    keys = list(events[2])
    assert keys[keys.index("changes") + 1] == "eta"


def test_only_progress_carries_it():
    """A progress says when the job will have ended, whatever else it changes; an update says nothing of that."""
    histories = {}
    observed(100, NOW, histories)
    observed(200, NOW + MINUTE, histories)
    change = diff("default", Known(job(completed_requests=200)), job(completed_requests=300, model="m"), NOW + 2 * MINUTE)
    update = diff("default", change.known, job(completed_requests=300, model="n"), NOW + 3 * MINUTE)
    changes = [*with_etas([change], histories, NOW + 2 * MINUTE), *with_etas([update], histories, NOW + 3 * MINUTE)]
    written = [msgspec.to_builtins(event) for change in changes for event in change.events]
    assert [(event["type"], "eta" in event) for event in written] == [("batch.progress", True), ("batch.updated", False)]


def test_two_observations_in_one_change():
    """Of two progress events that are recorded together only the later one carries the estimate, which is its own."""
    histories = {job().id: history((-120, 0), (-60, 100))}
    first = diff("default", Known(job(completed_requests=100)), job(completed_requests=200), NOW)
    second = diff("default", first.known, job(completed_requests=300), NOW)
    (change,) = with_etas([msgspec.structs.replace(second, events=first.events + second.events)], histories, NOW)
    assert ["eta" in msgspec.to_builtins(event) for event in change.events] == [False, True]


def test_the_id_is_the_same_with_and_without():
    """What is estimated does not make it another event."""
    histories = {job().id: history((-120, 0), (-60, 100))}
    with_ = observed(300, NOW, histories)
    without = observed(300, NOW, {})
    assert with_.eta != without.eta
    assert with_.id == without.id


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED", "SUCCESS", "FAILED", "NEW"])
def test_only_running_jobs_have_a_history(status):
    """The memory holds what is running and nothing else, however a job stops running."""
    for change in (
        first_seen("default", job(status=status), NOW),
        diff("default", Known(job(status="VALIDATING")), job(status=status), NOW),
    ):
        histories = {job().id: history((0, 1))}
        with_etas([change], histories, NOW)
        assert (job().id in histories) is (status == "RUNNING")
    histories = {job().id: history((0, 1))}
    with_etas([deletion("default", Known(job()), NOW)], histories, NOW)
    assert histories == {}
