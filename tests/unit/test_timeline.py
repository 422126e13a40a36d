"""The folding of a job's timeline."""

from tracker.core.events.timeline import progress_words, steps


def an_event(seq, type_, second, done, changes=None):
    data = {"completed_requests": done, "total_requests": 1000}
    return {
        "seq": seq, "type": type_, "observed_at": f"2025-06-25T14:20:{second:02}.000Z", "changes": changes or {}, "data": data
    }  # fmt: skip


def test_progress_after_progress_is_one_step():
    """Only neighbors fold, each step knows the quiet before it, and no event is lost."""
    events = [
        an_event(1, "batch.created", 0, 0),
        an_event(2, "batch.started", 5, 0),
        an_event(3, "batch.progress", 10, 100, {"completed_requests": [0, 100]}),
        an_event(5, "batch.progress", 20, 200, {"completed_requests": [100, 200]}),
        an_event(8, "batch.progress", 39, 400, {"completed_requests": [200, 400]}),
        an_event(9, "batch.stalled", 50, 400),
        an_event(10, "batch.progress", 51, 401, {"completed_requests": [400, 401]}),
        an_event(11, "batch.completed", 52, 1000),
    ]
    found = steps(events)
    assert [(step.first["seq"], step.last["seq"], step.times, step.gap) for step in found] == [
        (1, 1, 1, 0.0), (2, 2, 1, 5.0), (3, 8, 3, 5.0), (9, 9, 1, 11.0), (10, 10, 1, 1.0), (11, 11, 1, 1.0),
    ]  # fmt: skip
    assert [event for step in found for event in step.events] == events
    assert progress_words(found[2]) == "0 to 400 of 1,000 requests, in 29s"


def test_progress_of_counters_that_were_not_known_before():
    """A step whose first change names no earlier count, or none at all, begins at what it shows, or at 0."""
    first = an_event(1, "batch.progress", 0, 10, {"failed_requests": [0, 1]})
    second = an_event(2, "batch.progress", 9, 20, {"completed_requests": [10, 20]})
    assert progress_words(steps([first, second])[0]) == "10 to 20 of 1,000 requests, in 9s"
    first["changes"] = {"completed_requests": [None, 10]}
    assert progress_words(steps([first, second])[0]) == "0 to 20 of 1,000 requests, in 9s"
    assert steps([]) == []
