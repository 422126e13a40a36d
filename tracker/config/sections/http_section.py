"""Owns reading [http]: where the server listens, its token, and the path and URL behind a proxy."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tracker.config import http_listen_addresses, urls
from tracker.config.key_and_token_length import MIN_TOKEN_LENGTH
from tracker.config.model import Http
from tracker.config.secrets import secret_references
from tracker.config.toml.toml_table import Table


def read_http(values: Any, errors: list[str], environ: Mapping[str, str]) -> Http:
    """The table [http]; mistakes go to `errors`."""
    found = Table(values, "http", errors, Http.__struct_fields__)
    listen = found.get("listen", http_listen_addresses.listen, Http().listen)
    token = found.get("token", secret_references.secret(environ), None)
    foreign = [each.host for each in listen if not http_listen_addresses.is_loopback(each.host)]
    if foreign and "token" not in values:
        found.add_mistake(
            "listen", f"found {foreign[0]!r}, which is not loopback, and no http.token; expected a token to go with it"
        )
    if foreign and token and len(token.reveal()) < MIN_TOKEN_LENGTH:
        found.add_mistake(
            "token",
            f"found a token of {len(token.reveal())} characters (not shown), expected at least {MIN_TOKEN_LENGTH} where "
            f"{foreign[0]!r}, which is not loopback, is listened on; `openssl rand -hex 32` makes one",
        )
    hosts = found.get("hosts", http_listen_addresses.hosts, Http().hosts)
    external_url = found.get("external_url", urls.external_url, None)
    return Http(listen=listen, token=token, hosts=hosts, base_path=_base_path(found, external_url), external_url=external_url)


def _base_path(found: Table, external_url: str | None) -> str:
    """The path of the table, or of `external_url`; if both are given they must be the same."""
    path = urlsplit(external_url or "").path
    base_path = found.get("base_path", urls.base_path, path)
    if external_url and base_path != path:
        found.add_mistake(
            "external_url", f"found the path {path or '/'!r}, expected that of http.base_path: {base_path or '/'!r}"
        )
    return base_path
