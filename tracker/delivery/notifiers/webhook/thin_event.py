"""Owns the thin format: which event it is, and where to read the rest."""

import msgspec

from tracker.core.events.page_path import page_path
from tracker.core.text.escaping import escape_json_bytes
from tracker.delivery.notifiers.webhook.event_subject import EventHead


class ThinEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body. `data` has the id of the job, or the name of the account, receiver, replica or silence; `link` is its page.

    It has what Standard Webhooks and OpenAI's libraries ask for.
    """

    id: str
    object: str
    type: str
    seq: int
    account: str
    created_at: int
    timestamp: str
    link: str | None = None
    data: dict[str, str]


def thin_body(head: EventHead, external_url: str | None) -> bytes:
    """The body; without `external_url`, which is where the pages are, it has no link."""
    event = ThinEvent(
        id=head.id,
        object="event",
        type=head.type,
        seq=head.seq,
        account=head.account,
        created_at=head.created_at,
        timestamp=head.timestamp,
        link=None if external_url is None else external_url + page_path(head.type, head.account, head.name),
        data={"id" if head.subject == "batch" else head.subject: head.name},
    )
    return escape_json_bytes(msgspec.json.encode(event))
