"""Owns the plain text of a message about an event, or about a burst of them: enough by itself, without any formatting."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from tracker.core.events import summary
from tracker.core.events.event import outcome
from tracker.core.events.event_digest import EventDigest, digest_events, latest_of_subjects
from tracker.core.events.event_type import Tone
from tracker.core.events.event_type_table import BY_NAME
from tracker.core.events.headline import EventJson, headline, job_of, state_headline
from tracker.core.events.page_url import page_url
from tracker.core.events.silence_text import about_silence, missed_jobs
from tracker.core.jobs.job import Job
from tracker.core.jobs.native import counts_nothing_yet, named_vendor, provider_of
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.jobs.title import job_title
from tracker.core.results.error_sentences import frequent_errors
from tracker.core.text.mentions import without_mass_mentions
from tracker.core.text.one_line import one_line

MAX_LINE: Final = 300
"""Characters."""

_MAX_DETAILS: Final = 10
"""Lines about what is no job."""

_WORST: Final[tuple[Tone, ...]] = ("bad", "warn", "ok", "run", "mute")
_OF_OUTCOMES: Final[Mapping[str, Tone]] = {"success": "ok", "partial": "warn", "empty": "warn", "all_failed": "bad"}

Line = tuple[str, object]
"""A label and a value; a value that is empty or None has no line."""


class MessageText(msgspec.Struct, frozen=True, kw_only=True):
    """The `title` says what happened, `lines` all else; `link` is the page, "" without one. Each is one printable line.

    `tone` is how bad it is: of several events, that of the worst.
    """

    title: str
    lines: tuple[str, ...]
    link: str = ""
    tone: Tone = "mute"

    @property
    def body(self) -> str:
        """All but the title."""
        return "\n".join((*self.lines, self.link) if self.link else self.lines)

    def fitting(self, limit: int) -> "MessageText":
        """The text with as many of its lines as a message of `limit` characters has room for; the link stays."""
        room, kept = limit - len(self.title) - len(self.link) - 4, 0  # two line feeds around, an ellipsis and its own
        while kept < len(self.lines) and (room := room - len(self.lines[kept]) - 1) >= 0:
            kept += 1
        return self if kept == len(self.lines) else msgspec.structs.replace(self, lines=(*self.lines[:kept], "…"))

    def __str__(self) -> str:
        return f"{self.title}\n{self.body}" if self.body else self.title


def message_text(events: Sequence[EventJson], external_url: str | None = None) -> MessageText:
    """The text about `events` (at least one, in the log's order), one for all: of several about a job the last one counts.

    It links to the page of what they are about, if the pages are at `external_url`.
    """
    latest = latest_of_subjects(events)
    text = event_text(latest[0], external_url) if len(latest) == 1 else digest_text(digest_events(latest), external_url)
    return msgspec.structs.replace(text, link=page_url(events, external_url), tone=min(map(_tone, latest), key=_WORST.index))


def event_text(event: EventJson, external_url: str | None = None) -> MessageText:
    """The text about one event, without a link to its page."""
    return _text(with_model(headline(event), job_of(event)), describe_event(event, external_url))


def digest_text(digest: EventDigest, external_url: str | None = None) -> MessageText:
    """The text about a burst of events, without a link; what it names links to its page, if the pages are at `external_url`."""
    urls = [page_url([event], external_url) for event in digest.first]
    named = [" · ".join(filter(None, (_line(name), url))) for name, url in zip_longest(digest.named, urls, fillvalue="")]
    title = _text(f"{digest.title}: {digest.summary}", (f"{digest.heading}:",))
    return msgspec.structs.replace(title, lines=(*title.lines, *named))


def state_text(event: EventJson, job: Job) -> MessageText:
    """The text about how the `job` of an event stands after it, for a message that is kept up to date."""
    return _text(with_model(state_headline(event, job), job), describe_event(event))


def describe_event(event: EventJson, external_url: str | None = None) -> Iterator[str]:
    """What a message says of an event below its headline, line by line: "Account: default".

    The jobs that the end of a silence names link to their pages, if those are at `external_url`.
    """
    job = job_of(event)
    if event["type"].startswith("silence."):
        yield from _labeled(*about_silence(event["data"]))
        yield from missed_jobs(event["data"], external_url)
        return
    if job is None:
        yield from _labeled(*_details(event["data"]))
        return
    yield from _labeled(
        ("First error", first_error(event)),
        ("Title", job_title(event["data"])),
        ("Account", event["account"]),
        ("Status", _status(event, job)),
        ("Changes", _changes(event)),
        ("Requests", _requests(job)),
        ("Duration", duration(job)),
        ("Job", job.id),
    )


def duration(job: Job) -> str | None:
    """How long a job ran that has ended, from its start, or from its creation if it never started."""
    if job.completed_at is None or not is_terminal(job.status):
        return None
    return summary.format_duration(job.completed_at - (job.created_at if job.started_at is None else job.started_at))


def with_model(words: str, job: Job | None) -> str:
    """`words`, and the model of the job with its vendor, which a job of Mistral's does not name."""
    known = ", ".join(str(each) for each in (job.model, named_vendor(job.extra)) if each) if job else ""
    return f"{words} ({known})" if known else words


def _tone(event: EventJson) -> Tone:
    job, type_ = job_of(event), BY_NAME.get(event["type"])
    if job and event["type"] == "batch.completed":
        return _OF_OUTCOMES[outcome(job)]
    return type_.tone if type_ else "mute"


def first_error(event: EventJson) -> str:
    """The most frequent error of an event's job, and how many others there are; "" without one."""
    first, *others = frequent_errors(event["data"], event.get("digest"), 1) or [""]
    return f"{first} ({others[0]})" if others else first


def _status(event: EventJson, job: Job) -> str:
    before = (event.get("changes") or {}).get("status", [None])[0]
    if job.status == SUCCESS and outcome(job) == "all_failed":
        return f"{job.status}, but not one request succeeded"
    return f"{job.status} (it was {before})" if before else job.status


def _requests(job: Job) -> str | None:
    """How many requests are done, and what came of them; None while that is unknown."""
    if not job.total_requests or counts_nothing_yet(provider_of(job.extra), job.status, job.completed_requests):
        return f"{job.total_requests:,}" if job.total_requests else None
    counted = {"succeeded": job.succeeded_requests, "failed": job.failed_requests}
    done = f"{job.completed_requests:,} of {job.total_requests:,} done"
    return ", ".join([done, *(f"{number:,} {what}" for what, number in counted.items() if number)])


def _changes(event: EventJson) -> str:
    return summary.describe_changes(event.get("changes") or {}) if event["type"] == "batch.updated" else ""


def _details(data: Mapping[str, Any]) -> list[Line]:
    """The properties of what is no job, without those that are lists or objects."""
    texts = [(name, value) for name, value in data.items() if isinstance(value, str | int | float)]
    return [(name.replace("_", " ").capitalize(), value) for name, value in texts[:_MAX_DETAILS]]


def _labeled(*lines: Line) -> Iterator[str]:
    yield from (f"{label}: {value}" for label, value in lines if value not in ("", None))


def _text(title: str, lines: Iterable[str]) -> MessageText:
    return MessageText(title=_line(title), lines=tuple(map(_line, lines)))


def _line(text: str) -> str:
    return without_mass_mentions(one_line(text, MAX_LINE)) or "-"
