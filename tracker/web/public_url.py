"""Owns the public URL of the pages: their base path, and the external URL of a reverse proxy."""

from typing import Final
from urllib.parse import urlsplit

import msgspec


class PublicUrl(msgspec.Struct, frozen=True, kw_only=True):
    """`base_path` is "" or such as "/tracker"; `external_url` the URL of the jobs' page, without a slash at its end."""

    base_path: str = ""
    external_url: str | None = None

    @property
    def cookie_path(self) -> str:
        return self.base_path or "/"

    @property
    def is_https(self) -> bool:
        """Whether browsers use https alone, so that a cookie need never travel in the clear."""
        return self.origin.startswith("https://")

    @property
    def origin(self) -> str:
        """The Origin header that a browser sends from there; "" where no URL is configured."""
        parts = urlsplit(self.external_url or "")
        return f"{parts.scheme}://{parts.netloc}".lower() if self.external_url else ""


DIRECT: Final = PublicUrl()
"""There is no proxy before the server."""
