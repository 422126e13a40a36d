"""Owns a message of Slack by a template of the receiver: its own formatting and mentions, and values that have none."""

from collections.abc import Sequence

from tracker.core.events.headline import EventJson
from tracker.delivery.notifiers.slack.block_limits_and_escaping import MAX_TEXT, Payload, formatted_section, payload
from tracker.delivery.notifiers.templates.wording import Wording


def templated(wording: Wording, events: Sequence[EventJson]) -> Payload | None:
    """The message about `events` by the receiver's template; None if it is to be the standard one."""
    text = wording.rendered(events)
    return None if text is None else payload(text[:MAX_TEXT], [formatted_section(text)])
