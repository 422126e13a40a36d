"""Owns the link of a Slack message to the page that says more: of the job, the receiver or the accounts that it is about."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from tracker.delivery.notifiers.slack.blocks import MOST_BLOCKS, Payload, context, ours
from tracker.delivery.notifiers.slack.messages import EventJson, job_of


def with_link(payload: Payload, events: Sequence[EventJson], external_url: str | None) -> Payload:
    """The message about `events` with the link below it; as it is where nobody has said under which URL the pages are."""
    if external_url is None:
        return payload
    foot = context(ours(f"<{_harmless(external_url + _path(events))}|Open in batch-tracker>"))
    return {**payload, "blocks": [*payload["blocks"][: MOST_BLOCKS - 1], foot]}


def _path(events: Sequence[EventJson]) -> str:
    """The page of what all of them are about; that of the jobs where they are about several things."""
    paths = set(map(_path_of, events))
    return paths.pop() if len(paths) == 1 else "/"


def _path_of(event: EventJson) -> str:
    if job := job_of(event):
        return f"/jobs/{quote(job.id, safe='')}?{urlencode({'account': event['account']})}"
    if event["type"].startswith("receiver."):
        return f"/receivers/{quote(str(event['data'].get('receiver', '')), safe='')}"
    return "/accounts" if event["type"].startswith("account.") else "/"


def _harmless(url: str) -> str:
    """A URL that ends where it shall: what Slack takes for the end of a link or of its address is encoded."""
    encoded = url.replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return encoded.replace("&", "&amp;")
