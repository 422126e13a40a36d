"""Owns the digest: a burst of events as one message of Slack."""

from collections.abc import Sequence

from tracker.core.events.event_digest import digest_events, latest_of_subjects
from tracker.core.events.headline import EventJson
from tracker.core.events.message_text import digest_text
from tracker.delivery.notifiers.slack.block_limits_and_escaping import Payload, fields, header, payload, text_lines, titled_list
from tracker.delivery.notifiers.slack.message_content import message


def digest(events: Sequence[EventJson], external_url: str | None = None) -> Payload:
    """The state of the jobs after `events` (at least one, in the log's order), and other events; the most urgent first.

    The jobs that the end of a silence names link to the pages at `external_url`.
    """
    latest = latest_of_subjects(events)
    if len(latest) == 1:
        return message(latest[0], external_url)
    found = digest_events(latest)
    blocks = [
        header(found.title),
        *fields(*((words, f"{number:,}") for words, number in found.counts)),
        *titled_list(found.heading, found.named),
    ]
    return payload(text_lines(digest_text(found)), blocks)
