"""Owns the formats of a webhook: the body and the headers of an event, by the receiver's `format`.

A body is a function of the logged event and of the configuration, so every attempt has the same bytes, also after a restart.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tracker.delivery.notifiers.webhook.cloud_event import DATA_TYPE, MEDIA_TYPE, binary_headers, structured_body
from tracker.delivery.notifiers.webhook.event_subject import read_head
from tracker.delivery.notifiers.webhook.thin_event import thin_body

_JSON: Final = {"content-type": DATA_TYPE}


class Content(NamedTuple):
    """The body of a request, which is what is signed, and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str]


Format = Callable[[bytes, str | None], Content]
"""Makes the content of an event's JSON; its link is to the pages at the URL, if there is one."""


def _event(event: bytes, _external_url: str | None) -> Content:
    return unchanged(event)


def _thin(event: bytes, external_url: str | None) -> Content:
    return Content(thin_body(read_head(event), external_url), _JSON)


def _cloudevents(event: bytes, _external_url: str | None) -> Content:
    return Content(structured_body(read_head(event), event), {"content-type": MEDIA_TYPE})


def _cloudevents_binary(event: bytes, _external_url: str | None) -> Content:
    return Content(event, {**_JSON, **binary_headers(read_head(event))})


FORMATS: Final[Mapping[str, Format]] = {
    "event": _event,
    "thin": _thin,
    "cloudevents": _cloudevents,
    "cloudevents-binary": _cloudevents_binary,
}
"""By the name that `format` has in the configuration; the first is the default."""


def formatter(format_: str, external_url: str | None) -> Callable[[bytes], Content]:
    """What makes the content of an event's JSON in the format of this name; links are to the pages at `external_url`."""
    make = FORMATS[format_]
    return lambda event: make(event, external_url)


def unchanged(event: bytes) -> Content:
    """The event as it is logged."""
    return Content(event, _JSON)
