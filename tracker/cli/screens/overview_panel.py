"""Owns the overview of `top`: bars of the active jobs by model, sparklines of how jobs ended, and what needs a person."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tracker.core.events.summary import format_duration
from tracker.core.health.attention import Concern
from tracker.core.queries.overview import ModelLoad, Overview
from tracker.core.text.escaping import plain

LINES: Final = 7
"""Lines of the panel, with its frame."""

WIDE: Final = 132
"""Columns from which on the charts stand side by side."""

_ROWS: Final = 4
"""Rows of a chart, below its title."""

_GAP: Final = 3
_SHORT: Final = 5
"""Columns of a bar in a row of several."""

_ENDED: Final = "ended in 24 hours"
_ENDS: Final = 43
"""Columns of that chart, for numbers of five digits."""

_SPARKS: Final = "▁▂▃▄▅▆▇█"
_BLOCKS: Final = " ▏▎▍▌▋▊▉"
_COLORS: Final = {"bad": "red", "warn": "yellow"}


def overview_panel(overview: Overview, concerns: Sequence[Concern], now: int, width: int) -> RenderableType:
    """The panel, `width` columns wide, at `now` (Unix milliseconds)."""
    inner = width - 4
    content = _columns(overview, concerns, now, inner) if width >= WIDE else _rows(overview, concerns, now, inner)
    return Panel(content, title="overview", title_align="left", border_style="dim", height=LINES)


def sparkline(values: Sequence[int | None], tallest: int) -> str:
    """A character for each value; a dot stands for none, and a blank for what is not known."""
    return "".join(_spark(value, tallest) for value in values)


def bar(share: float, rest: float, width: int) -> Text:
    """A bar of two parts, each a share of `width` columns: the first solid, the second shaded. The least of either is seen."""
    if rest > 0:
        solid = "█" * min(max(round(share * width), share > 0), width - 1)
        shaded = "░" * min(max(round((share + rest) * width) - len(solid), 1), width - len(solid))
    else:
        eighths = max(min(round(share * width * 8), width * 8), share > 0)
        solid, shaded = "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip(), ""
    return Text.assemble((solid, "blue"), (shaded, "dim"), " " * (width - len(solid) - len(shaded)))


def _spark(value: int | None, tallest: int) -> str:
    if value is None:
        return " "
    return _SPARKS[min(value * len(_SPARKS) // max(tallest, 1), len(_SPARKS) - 1)] if value else "·"


def _columns(overview: Overview, concerns: Sequence[Concern], now: int, width: int) -> RenderableType:
    """Four charts side by side."""
    each = (width - 3 * _GAP - _ENDS) // 3
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    charts = {
        "needs a person": _concern_lines(concerns),
        "active by model": _load_lines(overview, each),
        _ENDED: _end_lines(overview),
        "slowest queue": _queue_lines(overview, now, each),
    }
    for title in charts:
        grid.add_column(width=_ENDS if title == _ENDED else each, no_wrap=True, overflow="ellipsis")
    grid.add_row(*(_stacked([Text(title, "bold"), *lines[:_ROWS]]) for title, lines in charts.items()))
    return grid


def _rows(overview: Overview, concerns: Sequence[Concern], now: int, width: int) -> RenderableType:
    """The same in five rows, for a narrow terminal."""
    ends, failures, *_ = _end_lines(overview)
    rows = {
        "needs": _joined(_concern_lines(concerns)),
        "active": _joined(_short_load(load, _longest(overview)) for load in overview.models)
        if overview.models
        else Text("no job", "dim"),
        "ended": ends,
        "": failures,
        "queue": _joined(_short_wait(load, now) for load in overview.queues) if overview.queues else Text("empty", "dim"),
    }
    return _stacked(
        [Text.assemble((f"{name:<8}", "bold"), line, no_wrap=True, overflow="ellipsis") for name, line in rows.items()], width
    )


def _stacked(lines: Iterable[Text], width: int | None = None) -> Group:
    cut = []
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        cut.append(line)
    return Group(*cut)


def _joined(parts: Iterable[Text]) -> Text:
    return Text("   ").join(parts)


def _concern_lines(concerns: Sequence[Concern]) -> list[Text]:
    if not concerns:
        return [Text("nothing does", "green")]
    lines = [Text.assemble(("! ", _COLORS[each.severity]), plain(each.text)) for each in concerns]
    if len(lines) > _ROWS:
        lines[_ROWS - 1 :] = [Text(f"  and {len(concerns) - _ROWS + 1} more", "dim")]
    return lines


def _load_lines(overview: Overview, width: int) -> list[Text]:
    if not overview.models:
        return [Text("no job is active", "dim")]
    shown, others = overview.models[:_ROWS], overview.models[_ROWS - 1 :]
    loads = [(_name(load), load) for load in shown]
    if len(overview.models) > _ROWS:
        sums = ModelLoad(model="", running=sum(each.running for each in others), queued=sum(each.queued for each in others))
        loads[-1] = f"{len(others)} others", sums
    longest = max(load.running + load.queued for _, load in loads)
    return _bar_lines([(name, load.running / longest, load.queued / longest, _counts(load)) for name, load in loads], width)


def _queue_lines(overview: Overview, now: int, width: int) -> list[Text]:
    waits = [(_name(load), _wait(load, now)) for load in overview.queues[:_ROWS]]
    if not waits:
        return [Text("no job waits", "dim")]
    longest = max(1, waits[0][1])
    return _bar_lines([(name, wait / longest, 0, format_duration(wait)) for name, wait in waits], width)


def _end_lines(overview: Overview) -> list[Text]:
    ended = [hour.ended if hour.counted else None for hour in overview.hours]
    bad = [hour.bad if hour.counted else None for hour in overview.hours]
    tallest = max((each or 0 for each in ended), default=0)
    all_ended, all_bad = sum(each or 0 for each in ended), sum(each or 0 for each in bad)
    return [
        Text.assemble((sparkline(ended, tallest), "green"), f"  {all_ended:,} ended"),
        Text.assemble((sparkline(bad, tallest), "red"), f"  {all_bad:,} with failures"),
        Text(f"{'24 h ago':<{len(ended) - 3}}now", "dim"),
        *([] if all(hour.counted for hour in overview.hours) else [Text("only the last ones are counted", "dim")]),
    ]


def _bar_lines(rows: Sequence[tuple[str, float, float, str]], width: int) -> list[Text]:
    """Lines of a name, a bar of two shares and a text, in columns."""
    texts = max(cell_len(text) for *_, text in rows)
    names = max(4, min(max(cell_len(name) for name, *_ in rows), width * 3 // 5, width - texts - 6))
    return [
        Text.assemble(
            _cut(name, names), " ", bar(share, rest, max(1, width - names - texts - 2)), " ", (f"{text:>{texts}}", "dim")
        )
        for name, share, rest, text in rows
    ]


def _short_load(load: ModelLoad, longest: int) -> Text:
    return Text.assemble(
        _name(load), " ", bar(load.running / longest, load.queued / longest, _SHORT), " ", (_counts(load), "dim")
    )


def _longest(overview: Overview) -> int:
    return max(load.running + load.queued for load in overview.models)


def _short_wait(load: ModelLoad, now: int) -> Text:
    return Text.assemble(_name(load), " ", (format_duration(_wait(load, now)), "dim"))


def _wait(load: ModelLoad, now: int) -> float:
    return max(0.0, now / 1000 - (load.waiting_since or 0))


def _counts(load: ModelLoad) -> str:
    return " + ".join(f"{many:,}" for many in (load.running, load.queued) if many)


def _name(load: ModelLoad) -> str:
    return plain(load.model) or "no model"


def _cut(name: str, width: int) -> str:
    return set_cell_size(name, width) if cell_len(name) <= width else f"{set_cell_size(name, width - 1)}…"
