"""The overview of `top`: what it draws at each width, without a terminal."""

from io import StringIO

import pytest
from overview_samples import figures
from rich.cells import cell_len
from rich.console import Console

from tracker.cli.screens.overview_panel import LINES, WIDE, bar, overview_panel, sparkline
from tracker.core.health.attention import Findings, concerns
from tracker.core.queries.overview import HOUR, HOURS, ModelLoad, hours_of_ends

NOW = HOURS * HOUR * 1000
ENDS = [(20 * HOUR, "succeeded")] * 7 + [(23 * HOUR, "failed")]
BUSY = figures(
    active=900,
    read=900,
    models=(
        ModelLoad(model="mistral-small-latest", running=400, queued=100, waiting_since=0),
        ModelLoad(model="a name\x1b[31m that is much longer than any column could show", running=250),
        ModelLoad(model="", running=100, queued=1, waiting_since=NOW // 1000 - 90),
        *(ModelLoad(model=f"model-{number}", running=10) for number in range(5)),
    ),
    hours=hours_of_ends(0, ENDS, 0),
    stalled=(("a", "b"),),
)


def drawn(overview, width, **given):
    found = concerns(Findings(overview, {}, **{"dead": {"r": 3}} | given))
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(overview_panel(overview, found, NOW, width))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, WIDE, 160, 220])
def test_panel_has_its_size_at_every_width(width):
    """Seven lines, none wider than the terminal, with the picture of each part; what a model is called moves no cursor."""
    lines = drawn(BUSY, width)
    assert len(lines) == LINES
    assert {cell_len(line) for line in lines} == {width}
    text = "\n".join(lines)
    assert "\x1b" not in text
    for part in ("3 deliveries are given", "mistral-sm", "8 ended", "1 with failures"):
        assert part in text
    assert "····················█··▂" in text


def test_a_wide_panel_has_bars_and_the_sum_of_what_is_left():
    """Four charts side by side: counts and bars of models, the rest in one line, waits of the queues."""
    lines = drawn(BUSY, 160)
    text = "\n".join(lines)
    assert "400 + 100" in text
    assert "░" in text
    assert "5 others" in text
    assert "1d 0h" in text
    assert "1m 30s" in text
    assert text.index("needs a person") < text.index("active by model") < text.index("slowest queue")


@pytest.mark.parametrize(("width", "words"), [(80, ["nothing does", "no job", "0 ended", "empty"]), (160, ["no job waits"])])
def test_an_empty_log_is_said_to_be_empty(width, words):
    """Each part says that there is nothing."""
    text = "\n".join(drawn(figures(), width, dead={}))
    assert [word for word in words if word not in text] == []


def test_what_is_severe_is_red():
    """The sign of a concern has its color: red where nothing works, yellow for a warning, also without any color a sign."""
    console = Console(file=StringIO(), width=160, color_system="standard", force_terminal=True)
    found = concerns(Findings(BUSY, {}, {}, failing_accounts=["a"]))
    console.print(overview_panel(BUSY, found, NOW, 160))
    drawing = console.file.getvalue()
    assert "\x1b[31m! \x1b[0m1 account cannot be read" in drawing
    assert "\x1b[33m! \x1b[0m1 job is stalled" in drawing


def test_many_concerns_are_counted():
    """Of more than fit the last line says how many there are."""
    given = {"failing_accounts": ["a"], "not_ready_because": ["x"], "unreadable_accounts": ["b"]}
    text = "\n".join(drawn(figures(stalled=(("a", "b"),), missing_results=1), 160, **given))
    assert "and 3 more" in text


@pytest.mark.parametrize(
    ("values", "tallest", "drawing"), [([0, 1, 4, 8], 8, "·▂▅█"), ([None, 8], 8, " █"), ([1, 1000], 1000, "▁█"), ([], 0, "")]
)
def test_sparkline(values, tallest, drawing):
    """A blank for what is not known, a dot for none, and something for anything."""
    assert sparkline(values, tallest) == drawing


@pytest.mark.parametrize(
    ("share", "rest", "drawing"),
    [
        (1, 0, "████"),
        (0.5, 0.5, "██░░"),
        (0, 0, "    "),
        (0.001, 0, "▏   "),
        (0.9, 0.9, "███░"),
        (0.001, 0.002, "█░  "),
        (2, 0, "████"),
    ],
)
def test_bar(share, rest, drawing):
    """Two parts within the width; the least share is seen."""
    assert bar(share, rest, 4).plain == drawing
