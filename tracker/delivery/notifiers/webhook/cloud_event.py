"""Owns the formats of CloudEvents 1.0.2: the attributes of an event, as JSON around it or as headers beside it.

Where the attributes are JSON, the event as it is logged is `data`; where they are headers, it is the body.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from tracker.core.text.escaping import escape_json_bytes
from tracker.delivery.notifiers.webhook.event_subject import EventHead

MEDIA_TYPE: Final = "application/cloudevents+json"
DATA_TYPE: Final = "application/json"
DATA_SCHEMA: Final = "urn:batch-tracker:event"
"""The `$id` of the JSON Schema of events."""

SEQUENCE_DIGITS: Final = 20
"""Of `sequence`, which is ordered as text: as many as the largest `seq` has, and one more."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""What a string of CloudEvents must not have (3, type system)."""

_IN_HEADERS: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What stays as it is in a header (HTTP binding, 3.1.3.2)."""


def attributes(head: EventHead) -> Mapping[str, str]:
    """The attributes by their names, without `datacontenttype`."""
    kind, of = ("account", head.account) if head.subject == "batch" else (head.subject, head.name)
    return {
        "specversion": "1.0",
        "id": head.id,
        "source": f"urn:batch-tracker:{kind}:{quote(of, safe='')}",
        "type": head.type,
        "time": head.timestamp,
        "subject": _FORBIDDEN.sub(lambda found: quote(found[0]), head.name),
        "dataschema": DATA_SCHEMA,
        "sequence": f"{head.seq:0{SEQUENCE_DIGITS}}",
    }


def structured_body(head: EventHead, event: bytes) -> bytes:
    """The attributes as JSON, with the JSON of the event as `data`, byte for byte."""
    envelope = escape_json_bytes(msgspec.json.encode({**attributes(head), "datacontenttype": DATA_TYPE}))
    return envelope[:-1] + b',"data":' + event + b"}"


def binary_headers(head: EventHead) -> dict[str, str]:
    """The attributes as headers."""
    return {f"ce-{name}": quote(value, safe=_IN_HEADERS) for name, value in attributes(head).items()}
