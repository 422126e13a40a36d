"""Owns the rendering: templates, what they may call, and the one place where text becomes HTML.

Paths are those of the routes: a template writes `{{ base_path }}` before each that it links to.
Everything is escaped, and what could steer the reader's eye instead (controls, and marks that turn the direction of writing)
is replaced first.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tracker import __version__
from tracker.core.events.summary import failure_reason
from tracker.core.events.types import TYPES
from tracker.core.jobs.job import time_of
from tracker.core.jobs.status import TERMINAL
from tracker.core.jobs.title import job_title
from tracker.web.pages import formatting
from tracker.web.pages.timeline import words as event_words
from tracker.web.static_files import Static

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Renderer:
    """Makes HTML of a template and what it is about."""

    def __init__(self, static: Static, base_path: str = "") -> None:
        self._environment = Environment(
            loader=PackageLoader("tracker.web", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_harmless,
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
            "sign_of_event": formatting.sign_of_event,
            "sign_of_job": formatting.sign_of_job,
            "sign_of_state": formatting.sign_of_state,
            "interval": formatting.interval,
            "why": failure_reason,
            "words": event_words,
        }

    def render(self, template: str, about: Mapping[str, Any]) -> str:
        return self._environment.get_template(template).render(about)


def brief(value: object, most: int) -> str:
    """Text of at most so many characters."""
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def share(part: float, whole: float) -> str:
    """The share in percent, as the width of a bar."""
    return f"{min(max(part / whole, 0), 1) * 100:.2f}" if whole else "0"


def job_path(account: str, job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}?{urlencode({'account': account})}"


def _harmless(value: Any) -> Any:
    """What an expression of a template may print; what is HTML already was made of such text."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", value)
