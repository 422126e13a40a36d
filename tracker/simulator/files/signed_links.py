"""Owns links to a file that work without a key until they expire, in the manner of Azure's shared access signatures."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Final
from urllib.parse import urlencode

LINKS: Final = "/blobs"
"""The path below which the links lie."""


class LinkSigner:
    """Signs and verifies links with a secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def link(self, base_url: str, file_id: str, expires: float) -> str:
        """A link to the file at the server of `base_url`, good until the moment `expires`."""
        end = datetime.fromtimestamp(int(expires), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parameters = urlencode({"se": end, "sp": "r", "sig": self._signature(file_id, end)})
        return f"{base_url.rstrip('/')}{LINKS}/{file_id}?{parameters}"

    def is_valid(self, file_id: str, end: str, signature: str, at: float) -> bool:
        """Whether the link was signed here for this file and this end, and has not expired at `at`."""
        if not compare_digest(signature.encode(), self._signature(file_id, end).encode()):
            return False
        return at < datetime.fromisoformat(end).timestamp()

    def _signature(self, file_id: str, end: str) -> str:
        return b64encode(hmac(self._key, f"{file_id}\n{end}".encode(), sha256).digest()).decode()
