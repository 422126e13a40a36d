"""Owns the colors of jobs and events on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from tracker.cli.formatting import event_text, job_description
from tracker.core.events.timeline import PROGRESS, Step, progress_words


def status(job: Mapping[str, Any]) -> Text:
    return Text(job_description.status(job), style=job_description.color(job))


def event_words(event: Mapping[str, Any]) -> Text:
    """What happened: the type in its color, and what there is to say of it."""
    words = Text(event_text.event_words(event), style="default")
    words.stylize(event_text.color_of_event(event), 0, len(event["type"]))
    return words


def step_words(step: Step) -> Text:
    """An event, or what several events of progress say together."""
    if step.times == 1:
        return event_words(step.last)
    words = Text(f"{PROGRESS:<{event_text.TYPE_WIDTH}} {progress_words(step)} ({step.times} events)")
    words.stylize(event_text.color_of_event(step.last), 0, len(PROGRESS))
    return words
