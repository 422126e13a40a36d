"""Owns the rendering of templates: their filters, and the escaping of text to HTML.

Paths are those of the routes: a template writes `{{ base_path }}` before each link.
All text is escaped. Control characters and marks that change the direction of writing are replaced first.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tracker import __version__
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.summary import failure_reason
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.status import TERMINAL, is_terminal
from tracker.core.jobs.title import job_title
from tracker.web.pages.rendering import formatting, status_labels
from tracker.web.pages.rendering.timeline import words as event_words
from tracker.web.static_files import Static

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Renderer:
    """Renders templates to HTML."""

    def __init__(self, static: Static, base_path: str = "") -> None:
        self._environment = Environment(
            loader=PackageLoader("tracker.web", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_without_controls,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "base_path": base_path,
            "version": __version__,
            "terminal": TERMINAL,
            "types": TYPES,
            "unknown": formatting.UNKNOWN,
            "static": static.path,
        }
        self._environment.tests |= {"uncounted": is_uncounted}
        self._environment.filters |= {
            "absolute": formatting.absolute,
            "brief": brief,
            "delivery_job_path": lambda delivery: job_path(delivery["account"], delivery["job"]),
            "due": formatting.due,
            "duration": formatting.duration,
            "time_of": time_of,
            "event_job_path": lambda event: job_path(event["account"], event["data"]["id"]),
            "job_title": job_title,
            "job_path": lambda job: job_path(job["account"], job["id"]),
            "machine": formatting.machine,
            "number": formatting.number,
            "percent": formatting.percent,
            "rate": formatting.rate,
            "relative": formatting.relative,
            "share": share,
            "short_id": formatting.short_id,
            "label_of_event": status_labels.label_of_event,
            "label_of_job": status_labels.label_of_job,
            "label_of_state": status_labels.label_of_state,
            "interval": formatting.interval,
            "why": failure_reason,
            "words": event_words,
        }

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        return self._environment.get_template(template).render(context)


def brief(value: object, most: int) -> str:
    """The value as text of at most `most` characters."""
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def share(part: float, whole: float) -> str:
    """The share in percent, as the width of a bar."""
    return f"{min(max(part / whole, 0), 1) * 100:.2f}" if whole else "0"


def is_uncounted(job: Mapping[str, Any], counting_at_end: Collection[str]) -> bool:
    """Whether the counters of the job say nothing yet: its vendor is one of those that count only at the end."""
    return job["provider"] in counting_at_end and not job["deleted"] and not is_terminal(job["status"])


def job_path(account: str, job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}?{urlencode({'account': account})}"


def _without_controls(value: Any) -> Any:
    """The value of an expression without control characters; HTML was already built from such text."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)
