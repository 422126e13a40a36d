"""Owns the template of a message: its text about events, or where and why it gives none."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from tracker.core.events.event_digest import latest_of_subjects
from tracker.core.events.headline import EventJson, job_of
from tracker.core.events.message_text import MessageText, duration, first_error, message_text
from tracker.core.jobs.title import job_title
from tracker.core.text.mentions import without_mass_mentions
from tracker.delivery.notifiers.templates.failure import TemplateFailure

MAX_SOURCE: Final = 20_000
"""Characters."""

MAX_EVENTS: Final = 100
"""Events of a burst that a template has, the last ones."""


class MessageTemplate:
    """A template by its source; two are equal if their sources are. It was in `file`, if that is not None.

    `escape` makes a value harmless where the text is shown; what the template itself says stays as it is.
    """

    def __init__(self, source: str, escape: Callable[[str], str] = str, file: Path | None = None) -> None:
        """Raises `InvalidTemplate`."""
        from tracker.delivery.notifiers.templates.sandbox import Sandbox  # noqa: PLC0415 - jinja2 is long to load

        self.source = source
        self.file = file
        self._sandbox = Sandbox(lambda value: escape(_text(value)))
        self._template, self._names = self._sandbox.prepared(source)

    def render(self, events: Sequence[EventJson], external_url: str | None) -> str | TemplateFailure | None:
        """The text about `events`; None for a burst of which the template does not use `events`."""
        if len(latest_of_subjects(events)) > 1 and "events" not in self._names:
            return None
        return self._sandbox.rendered(self._template, variables(events, external_url))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageTemplate) and self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"MessageTemplate({len(self.source)} characters)"


def variables(events: Sequence[EventJson], external_url: str | None) -> dict[str, Any]:
    """What a template has. `event` and what is about one event is of the last of `events`."""
    standard, event = message_text(events, external_url), events[-1]
    job = job_of(event)
    return {
        "title": standard.title,
        "lines": standard.lines,
        "text": str(standard),
        "link": standard.link,
        "tone": standard.tone,
        "event": event,
        "events": latest_of_subjects(events)[-MAX_EVENTS:],
        "account": event["account"],
        "job": event["data"] if job else {},
        "job_title": job_title(event["data"]) if job else "",
        "first_error": first_error(event) if job else "",
        "duration": (duration(job) or "") if job else "",
    }


def as_message(text: str, standard: MessageText) -> MessageText:
    """A rendered text in the place of the `standard` one: its first line is the title, and the link stays."""
    title, _, rest = text.partition("\n")
    link = "" if standard.link and standard.link in text else standard.link
    return msgspec.structs.replace(standard, title=title.strip(), lines=tuple(rest.split("\n")) if rest else (), link=link)


def _text(value: object) -> str:
    """A value as text: what is unprintable is dropped, and no one is mentioned by text from elsewhere."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=_refuse).decode()
    return without_mass_mentions("".join(each for each in text if each.isprintable() or each == "\n"))


def _refuse(value: object) -> NoReturn:
    """Raises for what is no value of JSON, such as a method that is not called; jinja2's own error for what is undefined."""
    str(value)
    raise TypeError(f"found a {type(value).__name__}, expected text, a number, a list or a table")
