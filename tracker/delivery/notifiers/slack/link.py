"""Owns the link of a Slack message to the page of its job, its receiver or the accounts."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from tracker.delivery.notifiers.slack.blocks import MAX_BLOCKS, Payload, context, mrkdwn
from tracker.delivery.notifiers.slack.messages import EventJson, job_of


def with_link(payload: Payload, events: Sequence[EventJson], external_url: str | None) -> Payload:
    """The message about `events` with a link below it; unchanged if the URL of the pages is not configured."""
    if external_url is None:
        return payload
    footer = context(mrkdwn(f"<{_encoded(external_url + _path(events))}|Open in batch-tracker>"))
    return {**payload, "blocks": [*payload["blocks"][: MAX_BLOCKS - 1], footer]}


def _path(events: Sequence[EventJson]) -> str:
    """The page of their common subject; the page of all jobs if they have several."""
    paths = set(map(_path_of, events))
    return paths.pop() if len(paths) == 1 else "/"


def _path_of(event: EventJson) -> str:
    if job := job_of(event):
        return f"/jobs/{quote(job.id, safe='')}?{urlencode({'account': event['account']})}"
    if event["type"].startswith("receiver."):
        return f"/receivers/{quote(str(event['data'].get('receiver', '')), safe='')}"
    return "/accounts" if event["type"].startswith("account.") else "/"


def _encoded(url: str) -> str:
    """The URL with the characters encoded at which Slack would end the link."""
    encoded = url.replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return encoded.replace("&", "&amp;")
