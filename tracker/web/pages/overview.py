"""Owns the overview on the page of the jobs: the geometry of its charts, and the same in words."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from tracker.core.events.summary import format_duration
from tracker.core.health.attention import Concern, Kind
from tracker.core.queries.overview import HOURS, HourOfEnds, ModelLoad, Overview
from tracker.web.overview_cache import FullOverview
from tracker.web.pages.rendering.formatting import SEPARATOR, number
from tracker.web.pages.rendering.status_labels import StatusLabel
from tracker.web.pages.rendering.template_rendering import job_path

WIDTH: Final = 240
HEIGHT: Final = 64
"""Of the chart of the ends; the width of an hour is a whole number of units."""

SHOWN_MODELS: Final = 4
"""Rows of a chart of models; what is left is one row."""

SHOWN_CONCERNS: Final = 6
"""Concerns that are always visible; further ones are folded."""

_STEP: Final = WIDTH // HOURS
_LEAST: Final = 4
"""The height of the smallest part of a column: one failure among thousands of ends has to be seen."""

_TONES: Final = (("ok", ("succeeded",)), ("warn", ("partial",)), ("bad", ("failed", "expired")), ("mute", ("cancelled",)))
"""The parts of a column from the bottom to the top: the tone, and the ends that it stands for."""

_PAGES: Final[Mapping[Kind, str]] = {
    "daemon": "/readyz",
    "leases_unheld": "/replicas?replica=",
    "accounts_failing": "/accounts",
    "accounts_unreadable": "/accounts",
    "accounts_removed": "/accounts",
    "receivers_failing": "/receivers",
    "receivers_removed": "/receivers",
    "dead_deliveries": "/receivers",
    "jobs_stalled": "/events?type=batch.stalled",
    "jobs_at_risk": "/events?type=batch.at_risk",
    "jobs_near_deadline": "/events?type=batch.deadline",
    "results_missing": "/events?type=batch.results_gone",
}
"""The page that has more about a concern."""


class Part(NamedTuple):
    """A part of a column: where it begins, from the top, its height and its tone."""

    y: float
    height: float
    tone: str


class Column(NamedTuple):
    """An hour: where its column begins, its parts, and the text for a pointer on it. One that is not counted has no part."""

    x: int
    parts: tuple[Part, ...]
    words: str
    counted: bool


class ModelBar(NamedTuple):
    """The bar of a model: its name, the page of its jobs, its shares of the longest bar in percent, and the same in words.

    `brief` stands for the words where they are too long to be seen; "" if they are not.
    """

    name: str
    href: str
    share: str
    rest: str
    words: str
    brief: str = ""


class Item(NamedTuple):
    """A concern with the page that has more about it."""

    label: StatusLabel
    href: str


def overview_section(overview: FullOverview) -> dict[str, Any]:
    """The variables of the overview in `jobs.html`; without any if there is nothing to be seen yet."""
    figures, now = overview.figures, overview.at // 1000
    ended, bad = sum(hour.ended for hour in figures.hours), sum(hour.bad for hour in figures.hours)
    if not (figures.active or ended or overview.concerns):
        return {"overview": None}
    return {
        "overview": {
            "models": _load_bars(figures),
            "active": figures.active,
            "left_out": figures.active - figures.read,
            "columns": _columns(figures),
            "width": WIDTH,
            "height": HEIGHT,
            "step": _STEP,
            "ended": ended,
            "bad": bad,
            "ends_words": _ends_words(figures, ended, bad),
            "is_cut": not all(hour.counted for hour in figures.hours),
            "queues": _queue_bars(figures, now),
            "concerns": [_item(each) for each in overview.concerns[:SHOWN_CONCERNS]],
            "more_concerns": [_item(each) for each in overview.concerns[SHOWN_CONCERNS:]],
        }
    }


def _load_bars(figures: Overview) -> list[ModelBar]:
    shown, others = figures.models[:SHOWN_MODELS], figures.models[SHOWN_MODELS:]
    loads = [*shown]
    if others:
        running, queued = sum(each.running for each in others), sum(each.queued for each in others)
        loads.append(ModelLoad(model="", running=running, queued=queued))
    longest = max((each.running + each.queued for each in loads), default=0)
    names = [*(each.model or "no model" for each in shown), f"{number(len(others))} other models"]
    return [
        ModelBar(
            name=name,
            href=_model_path(load.model),
            share=_percent(load.running, longest),
            rest=_percent(load.queued, longest),
            words=_load_words(load),
            brief=" + ".join(number(many) for many in (load.running, load.queued) if many),
        )
        for name, load in zip(names, loads, strict=False)
    ]


def _load_words(load: ModelLoad) -> str:
    parts = ((load.running, "running"), (load.queued, "queued"))
    return ", ".join(f"{number(many)} {what}" for many, what in parts if many)


def _queue_bars(figures: Overview, now: int) -> list[ModelBar]:
    """The queues by how long their first job waits, the slowest first."""
    waits = [(max(0, now - (each.waiting_since or 0)), each) for each in figures.queues[: SHOWN_MODELS + 1]]
    longest = max((wait for wait, _ in waits), default=0)
    return [
        ModelBar(
            name=each.model or "no model",
            href=_model_path(each.model),
            share=_percent(wait, longest),
            rest="0",
            words=format_duration(wait).replace(" ", SEPARATOR),
        )
        for wait, each in waits
    ]


def _columns(figures: Overview) -> list[Column]:
    tallest = max((hour.ended for hour in figures.hours), default=0)
    return [
        Column(place * _STEP, tuple(_parts(hour, tallest)), _hour_words(hour, HOURS - 1 - place), hour.counted)
        for place, hour in enumerate(figures.hours)
    ]


def _parts(hour: HourOfEnds, tallest: int) -> list[Part]:
    """The parts of a column, from the bottom to the top; together never higher than the chart."""
    counts = [(tone, sum(getattr(hour, end) for end in ends)) for tone, ends in _TONES]
    heights = [(tone, max(HEIGHT * count / tallest, _LEAST)) for tone, count in counts if count]
    excess = HEIGHT / max(HEIGHT, sum(height for _, height in heights))
    bottom, parts = float(HEIGHT), []
    for tone, height in heights:
        bottom -= height * excess
        parts.append(Part(round(bottom, 1), round(height * excess, 1), tone))
    return parts


def _hour_words(hour: HourOfEnds, ago: int) -> str:
    when = f"{ago} h ago" if ago else "this hour"
    if not hour.counted:
        return f"{when}: not counted"
    ends = (("partial", hour.partial), ("failed", hour.failed), ("out of time", hour.expired), ("cancelled", hour.cancelled))
    some = [f"{number(many)} {what}" for what, many in ends if many]
    return f"{when}: {', '.join([f'{number(hour.ended)} ended', *some])}"


def _ends_words(figures: Overview, ended: int, bad: int) -> str:
    """The chart for who does not see it."""
    counted = [(HOURS - 1 - place, hour) for place, hour in enumerate(figures.hours)]
    busiest_ago, busiest = max(counted, key=lambda each: each[1].ended)
    if not ended:
        return "No job ended in the last 24 hours."
    most = f"Most, {number(busiest.ended)}, {'in this hour' if not busiest_ago else f'{busiest_ago} hours ago'}."
    return f"{number(ended)} jobs ended in the last 24 hours, {number(bad)} of them with failures. {most}"


def _item(concern: Concern) -> Item:
    only = concern.jobs[0] if concern.count == 1 and concern.jobs else None
    text = concern.text[0].upper() + concern.text[1:]
    return Item(StatusLabel("alert", text, concern.severity), job_path(*only) if only else _PAGES[concern.kind])


def _model_path(model: str) -> str:
    """The active jobs of the model; of all models where it is none, or a name that would be a pattern."""
    query = {"model": model} if model and not {*model} & {*"*?["} else {}
    return f"/?{urlencode({'active': 'true'} | query)}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole * 100:.1f}" if whole else "0"
