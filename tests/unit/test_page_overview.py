"""The charts of the overview: their geometry within the box, and what they say in words."""

import pytest
from overview_samples import figures

from tracker.core.health.attention import Findings, concerns
from tracker.core.queries.overview import HOUR, HOURS, FailingJob, ModelLoad, hours_of_ends
from tracker.web.overview_cache import FullOverview
from tracker.web.pages.overview import HEIGHT, WIDTH, overview_section

NOW = HOURS * HOUR * 1000


def section(overview, **given):
    """The variables, `NOW` within the hour after the last one."""
    found = concerns(Findings(overview, {}, **{"dead": {}} | given))
    return overview_section(FullOverview(at=NOW, figures=overview, concerns=tuple(found)))["overview"]


def with_ends(*ends, known_from=0):
    """The figures with (hour, end, times)."""
    all_ends = [(hour * HOUR, end) for hour, end, times in ends for _ in range(times)]
    return figures(active=1, read=1, models=(ModelLoad(model="m", running=1),), hours=hours_of_ends(0, all_ends, known_from))


def test_columns_fill_the_box_and_stay_within():
    """The busiest hour is as high as the box; each part lies on the one below, and one failure among thousands is seen."""
    columns = section(with_ends((0, "succeeded", 4000), (0, "failed", 1), (5, "succeeded", 2000), (23, "partial", 1)))[
        "columns"
    ]
    assert [column.x for column in columns] == [number * WIDTH // HOURS for number in range(HOURS)]
    good, bad = columns[0].parts
    assert (good.tone, bad.tone) == ("ok", "bad")
    assert good.y + good.height == pytest.approx(HEIGHT, abs=0.2)
    assert bad.y == pytest.approx(0, abs=0.2)
    assert bad.y + bad.height == pytest.approx(good.y, abs=0.2)
    assert bad.height > 3
    assert columns[5].parts[0].height == pytest.approx(HEIGHT / 2, abs=0.2)
    assert columns[1].parts == ()
    assert columns[23].parts[0].height >= 4


def test_words_say_what_the_chart_shows():
    """Numbers of all ends, of those with failures and of the busiest hour; each column has its own."""
    shown = section(with_ends((20, "succeeded", 2), (20, "expired", 1), (23, "cancelled", 1)))
    assert (shown["ended"], shown["bad"]) == (4, 1)
    assert shown["ends_words"] == "4 jobs ended in the last 24 hours, 1 of them with failures. Most, 3, 3 hours ago."
    assert shown["columns"][20].words == "3 h ago: 3 ended, 1 out of time"
    assert shown["columns"][23].words == "this hour: 1 ended, 1 cancelled"
    assert not shown["is_cut"]


def test_hours_that_are_not_counted_are_marked():
    """They have no column, and the chart says so."""
    shown = section(with_ends((3, "failed", 5), (20, "succeeded", 2), known_from=10 * HOUR))
    assert (shown["is_cut"], shown["ended"]) == (True, 2)
    assert [column.counted for column in shown["columns"]] == [False] * 10 + [True] * 14
    assert shown["columns"][3].words == "20 h ago: not counted"


def test_bars_are_shares_of_the_longest():
    """The most active model fills its bar; beyond four models the others are together; a pattern in a name filters nothing."""
    models = tuple(ModelLoad(model=f"m{number}", running=6 - number, queued=number) for number in range(6))
    bars = section(figures(active=36, read=36, models=models))["models"]
    assert [(bar.name, bar.share, bar.rest, bar.brief) for bar in bars[:2]] == [
        ("m0", "50.0", "0.0", "6"),
        ("m1", "41.7", "8.3", "5 + 1"),
    ]
    assert (bars[4].name, bars[4].words) == ("2 other models", "3 running, 9 queued")
    (odd,) = section(figures(active=1, read=1, models=(ModelLoad(model="m*[x]", queued=1, waiting_since=0),)))["models"]
    assert (odd.href, bars[0].href) == ("/?active=true", "/?active=true&model=m0")


def test_queues_stand_by_how_long_they_wait():
    """The slowest fills its bar; a clock that is behind the provider's gives no negative wait."""
    models = (ModelLoad(model="new", queued=1, waiting_since=NOW), ModelLoad(model="slow", queued=9, waiting_since=0))
    queues = section(figures(active=10, read=10, models=models))["queues"]
    assert [(bar.name, bar.share, bar.words.split()) for bar in queues] == [
        ("slow", "100.0", ["1d", "0h"]),
        ("new", "0.0", ["0s"]),
    ]


def test_a_concern_leads_to_its_page():
    """One job to its own page, several to the events that said it, deliveries to the receivers."""
    one = section(figures(stalled=(("a", "job/1"),)))["concerns"]
    several = section(figures(stalled=(("a", "x"), ("a", "y"))), dead={"r": 1})["concerns"]
    assert [item.href for item in one] == ["/jobs/job%2F1?account=a"]
    assert [(item.label.text, item.href) for item in several] == [
        ("1 delivery is given up", "/receivers"),
        ("2 jobs are stalled", "/events?type=batch.stalled"),
    ]


def test_many_concerns_are_folded():
    """The worst six can be seen at once, however many there are; none is left out."""
    trouble = {"not_ready_because": ["x"], "failing_accounts": ["a"], "unreadable_accounts": ["b"], "dead": {"r": 1}}
    jobs = (("a", "x"),)
    shown = section(
        figures(stalled=jobs, near_deadline=jobs, missing_results=1, failing=(FailingJob("a", "x", 1.0),)), **trouble
    )
    assert [len(shown["concerns"]), len(shown["more_concerns"])] == [6, 2]
    assert [item.label.tone for item in shown["concerns"]][:3] == ["bad", "bad", "warn"]


def test_where_nothing_is_there_is_no_overview():
    """An empty log has none."""
    assert section(figures()) is None
