"""The chart of a job's progress and its timeline: pure geometry and grouping."""

import pytest

from tracker.web.pages.rendering.chart import HEIGHT, WIDTH, Point, chart, thinned
from tracker.web.pages.rendering.timeline import points, timeline


def test_lines_go_from_the_creation_to_the_last_figures():
    """The width is the time since the creation, the height all requests; failures have a line where there are any."""
    drawn = chart([Point(50, 200, 50, 10), Point(100, 200, 200, 20)], began=0)
    assert drawn.completed == f"M0 {HEIGHT}L500 180L{WIDTH} 0"
    assert drawn.area == f"{drawn.completed}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"
    assert drawn.failed == f"M0 {HEIGHT}L500 228L{WIDTH} 216"
    assert drawn.forecast == ""
    assert drawn.times == ("0s", "25s", "50s", "1m 15s", "1m 40s")
    assert chart([Point(50, 200, 50, 0), Point(100, 200, 200, 0)], began=0).failed == ""


def test_forecast_goes_on_to_the_end_that_is_expected():
    """What is to come leads from the last figures to all requests, and the axis reaches as far."""
    drawn = chart([Point(50, 100, 25, 0), Point(100, 100, 50, 0)], began=0, ends=200)
    assert drawn.forecast == f"M500 120L{WIDTH} 0"
    assert drawn.times[-1] == "3m 20s"
    assert chart([Point(50, 100, 25, 0), Point(100, 100, 50, 0)], began=0, ends=90).forecast == ""


@pytest.mark.parametrize(
    "observed",
    [[], [Point(50, 100, 25, 0)], [Point(50, 0, 0, 0), Point(60, 0, 0, 0)], [Point(50, 100, 25, 0), Point(50, 100, 30, 0)]],
)
def test_nothing_is_drawn_of_less_than_two_moments(observed):
    """One moment makes no line, nor does a job whose requests were not counted yet."""
    assert chart(observed, began=0) is None


def test_job_that_began_after_it_was_observed_is_drawn_from_what_was_seen():
    """Clocks differ: a creation that lies behind the first figures is no place to begin."""
    drawn = chart([Point(50, 100, 0, 0), Point(100, 100, 100, 0)], began=70)
    assert drawn.completed == f"M0 {HEIGHT}L{WIDTH} 0"


def test_many_points_are_thinned_but_not_at_the_ends():
    """However long a job ran, its chart is as small, and ends where the job did."""
    many = [Point(at, 1000, at, 0) for at in range(1000)]
    few = thinned(many, 100)
    assert len(few) == 100
    assert (few[0], few[-1]) == (many[0], many[-1])
    assert list(few) == sorted({*few})


def event(seq, type_, second, done=0, **about):
    data = {
        "id": "job-1",
        "status": "RUNNING",
        "created_at": 1_750_000_000,
        "completed_at": None,
        "total_requests": 1000,
        "completed_requests": done,
        "succeeded_requests": done,
        "failed_requests": 0,
    }
    at = f"2025-06-15T15:{second // 60:02}:{second % 60:02}.000Z"
    return {"seq": seq, "type": type_, "observed_at": at, "changes": {}, "data": data | about}


def test_progress_in_a_row_is_one_line():
    """Progress between other events is one line, with its count, first and last value, and duration."""
    events = [
        event(1, "batch.created", 0),
        event(2, "batch.started", 10),
        event(3, "batch.progress", 20, 100) | {"changes": {"completed_requests": [40, 100]}},
        event(4, "batch.progress", 30, 200),
        event(5, "batch.progress", 80, 900),
        event(6, "batch.completed", 81, 1000, status="SUCCESS"),
    ]
    lines = timeline(events)
    assert [(line.event["seq"], line.times, line.gap) for line in lines] == [
        (1, 1, ""),
        (2, 1, "10s"),
        (5, 3, "10s"),
        (6, 1, "1s"),
    ]
    assert [line.first for line in lines] == [1, 2, 3, 6]
    assert lines[2].words.replace("\u202f", " ") == "40 to 900 of 1 000 requests, in 1m 0s"
    assert timeline([]) == []


def test_results_are_described_by_their_files():
    """A line about results says which files there are, or why not."""
    archived = event(1, "batch.archived", 0, status="SUCCESS") | {"files": [{"kind": "output", "lines": 12_000}]}
    gone = event(2, "batch.results_gone", 1, status="SUCCESS") | {"files": [{"kind": "error", "reason": "too_large"}]}
    assert [line.words.replace("\u202f", " ") for line in timeline([archived, gone])] == [
        "Results archived: output file with 12 000 lines",
        "Results could not be archived: error file is larger than `max_file`",
    ]


def test_gap_is_long_by_what_the_job_took():
    """A fifth of the whole time without an event is a long gap, a few seconds never are."""
    lines = timeline([event(1, "batch.created", 0), event(2, "batch.started", 100), event(3, "batch.stalled", 3000)])
    assert [line.is_long for line in lines] == [False, False, True]
    assert [line.is_long for line in timeline([event(1, "batch.created", 0), event(2, "batch.started", 5)])] == [False, False]


def test_end_that_is_seen_late_is_drawn_when_it_was():
    """A job that ended while the daemon was down is drawn at the API's end, not where it was seen."""
    (point,) = points([event(1, "batch.completed", 3000, 1000, status="SUCCESS", completed_at=1_750_000_500)])
    assert point == Point(1_750_000_500, 1000, 1000, 0)


def places(path):
    """The x and y of each place of a line."""
    return [tuple(map(float, place.split())) for place in path.strip("MZ").split("L")]


END = Point(100, 200, 200, 0)
OUT_OF_ORDER = {
    "progress observed after the end": [Point(50, 200, 20, 0), Point(130, 200, 150, 0), END],
    "all observed after the end": [Point(150, 200, 20, 0), Point(160, 200, 150, 0), END, Point(170, 200, 200, 0)],
    "a clock set back": [Point(50, 200, 20, 0), Point(90, 200, 40, 5), Point(20, 200, 60, 5), Point(30, 200, 200, 5)],
    "the end before the creation": [Point(-50, 200, 20, 0), Point(20, 200, 150, 0), Point(-40, 200, 200, 0)],
    "equal times": [Point(50, 200, 20, 0), Point(50, 200, 30, 0), END, END],
    "more completed than there are": [Point(50, 200, 250, 900), Point(100, 200, 300, 900)],
    "a total that falls": [Point(50, 1000, 100, 0), Point(60, 90, 100, 0), Point(100, 100, 100, 0)],
}


@pytest.mark.parametrize("observed", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_line_stays_in_its_frame(observed):
    """Whatever order the times have, and whatever the counters say, lines go from left to right within the frame."""
    drawn = chart(observed, began=0, ends=110)
    for path in filter(None, (drawn.completed, drawn.area, drawn.failed, drawn.forecast)):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(path))
    xs = [x for x, _ in places(drawn.completed)]
    assert xs == sorted({*xs})
    assert drawn.points[-1][1:] == observed[-1][1:]


def test_progress_observed_after_the_end_is_before_it():
    """The end is the last that is drawn, where the API says it was, and what was observed later by our clock leads up to it."""
    drawn = chart([Point(50, 200, 20, 0), Point(130, 200, 150, 0), END], began=0)
    assert drawn.completed == f"M0 {HEIGHT}L500 216L{WIDTH} 0"
    assert drawn.times[-1] == "1m 40s"


@pytest.mark.parametrize("completed_at", [None, "soon", 0, 1_749_999_999], ids=str)
def test_end_that_cannot_be_is_drawn_where_it_was_seen(completed_at):
    """An end before the creation would put the whole line before it."""
    (point,) = points([event(1, "batch.failed", 600, 10, status="FAILED", completed_at=completed_at)])
    assert point.at == 1_750_000_200


def test_end_that_went_wrong_says_why():
    """The line of an end gives the reason; those of a job that goes on do not repeat it."""
    about = {"errors": [{"message": "rate limited", "count": 12}], "metadata": None}
    lines = timeline([event(1, "batch.started", 0, **about), event(2, "batch.failed", 60, 20, status="FAILED", **about)])
    assert "rate limited" not in lines[0].words
    assert lines[1].words.replace("\u202f", " ") == "Batch failed: 20 of 1 000 requests done. 12 requests: rate limited"
