"""Owns the verification of a message that someone else signed by Standard Webhooks 1.0.0, with a shared secret.

What can be refused by the headers alone is refused before the body is read. Then there is one signature to compute for each
secret of ours, however many the message has.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from hmac import compare_digest
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tracker.core.deliveries.signing import SigningKey

TOLERANCE: Final = 300
"""Seconds that the clocks may differ and a message may travel: an older one may be a replay."""

MOST_SIGNATURES: Final = 16
"""Those of a message that are compared: a sender has one for each of its secrets."""


class Rejection(StrEnum):
    """Why a message is not accepted."""

    UNSIGNED = "unsigned"
    TIMESTAMP = "timestamp"
    SIGNATURE = "signature"


class SignatureHeaders(msgspec.Struct, frozen=True, rename=lambda name: f"webhook-{name}"):
    """The headers of Standard Webhooks; "" where there is none."""

    id: Annotated[str, Meta(description="The message's ID")] = ""
    timestamp: Annotated[str, Meta(description="When it was sent, in Unix seconds")] = ""
    signature: Annotated[str, Meta(description="Signatures of ID, timestamp and body, by Standard Webhooks")] = ""

    def rejection(self, now: int) -> Rejection | None:
        """Why these headers can belong to no valid message at `now` (whole Unix seconds)."""
        if not (self.id and self.timestamp and self.signature):
            return Rejection.UNSIGNED
        sent_at = int(self.timestamp) if re.fullmatch(r"[0-9]{1,12}", self.timestamp) else 0
        return Rejection.TIMESTAMP if abs(now - sent_at) > TOLERANCE else None

    def is_signed_by(self, keys: Iterable[SigningKey], body: bytes) -> bool:
        """Whether one of `keys` has signed this body; how long it takes does not depend on how much of a signature is right."""
        content = f"{self.id}.{self.timestamp}.".encode() + body
        sent = [each.encode() for each in self.signature.split(" ", MOST_SIGNATURES)[:MOST_SIGNATURES]]
        expected = [key.sign(content).encode() for key in keys]
        return any([compare_digest(each, right) for right in expected for each in sent])  # noqa: C419 - all are compared
