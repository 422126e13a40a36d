"""Owns signing: Standard Webhooks 1.0.0, with a shared secret (`v1`) or an ed25519 key (`v1a`).

The signed content is `ID.TIMESTAMP.BODY`. Several keys sign at the same time, so that a key can be replaced without a gap.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # slow to load: only a configuration with such a key needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHARED: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"

_EXPECTED: Final = (
    "expected whsec_ and padded base64 of 24 to 64 bytes, or whsk_ and base64 of an ed25519 private key; "
    "config/tracker.toml says how to make one"
)


class SigningKey:
    """One secret of a receiver; no representation shows it. Make it with `parse_secret`."""

    __slots__ = ("_private", "_shared")

    def __init__(self, *, shared: bytes = b"", private: "Ed25519PrivateKey | None" = None) -> None:
        self._shared = shared
        self._private = private

    def sign(self, content: bytes) -> str:
        """The signature as it stands in `webhook-signature`: its version, a comma, base64."""
        if self._private is None:
            return "v1," + b64encode(hmac.digest(self._shared, content, sha256)).decode()
        return "v1a," + b64encode(self._private.sign(content)).decode()

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the public key; none for a shared secret."""
        return b"" if self._private is None else self._private.public_key().public_bytes_raw()

    @property
    def public(self) -> str | None:
        """The public key with which a receiver verifies `v1a`: `whpk_…`; None for a shared secret."""
        return PUBLIC + b64encode(self.public_bytes).decode() if self.public_bytes else None

    def __repr__(self) -> str:
        return "SigningKey(…)"


def parse_secret(text: str) -> SigningKey:
    """Read a secret as Standard Webhooks writes it; raises ValueError that says what is expected and not what was found."""
    if text.startswith(SHARED):
        shared = _decoded(text.removeprefix(SHARED))
        if 24 <= len(shared) <= 64:
            return SigningKey(shared=shared)
    if text.startswith(PRIVATE):
        private = _decoded(text.removeprefix(PRIVATE))
        if len(private) in (32, 64):
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above

            key = SigningKey(private=Ed25519PrivateKey.from_private_bytes(private[:32]))
            if private[32:] in (b"", key.public_bytes):  # the seed, or the seed and the public key behind it
                return key
    raise ValueError(_EXPECTED)


def signature_headers(keys: Sequence[SigningKey], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt at `at` (whole Unix seconds); without a key there is no signature."""
    content = f"{message_id}.{at}.".encode() + body
    headers = {"webhook-id": message_id, "webhook-timestamp": str(at)}
    return headers | {"webhook-signature": " ".join(key.sign(content) for key in keys)} if keys else headers


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return b""
