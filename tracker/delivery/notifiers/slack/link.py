"""Owns the link of a Slack message to the page of its job, its receiver or the accounts."""

from collections.abc import Sequence

from tracker.core.events.headline import EventJson
from tracker.core.events.page_url import page_url
from tracker.delivery.notifiers.slack.block_limits_and_escaping import MAX_BLOCKS, Payload, context, mrkdwn


def with_link(payload: Payload, events: Sequence[EventJson], external_url: str | None) -> Payload:
    """The message about `events` with a link below its blocks and its text; unchanged if there is no URL of the pages."""
    if external_url is None:
        return payload
    url = _encoded(page_url(events, external_url))
    footer = context(mrkdwn(f"<{url}|Open in batch-tracker>"))
    blocks = [*payload["blocks"][: MAX_BLOCKS - 1], footer]
    return {**payload, "text": f"{payload['text']}\n{url}", "blocks": blocks}


def _encoded(url: str) -> str:
    """The URL with the characters encoded at which Slack would end the link."""
    encoded = url.replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return encoded.replace("&", "&amp;")
