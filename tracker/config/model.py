"""Owns the configuration as values: frozen, checked, and mute about secrets."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from tracker.core.deliveries.fan_out import Match
from tracker.core.events.types import DEFAULT_TYPES
from tracker.http.proxies import Proxies
from tracker.http.tls import Tls


class Secret:
    """A value that no representation shows.

    One from a file may be another one by now: `file` says which file that is, `path` where, and `again` reads it, or raises
    `Wrong`.
    """

    __slots__ = ("_value", "again", "file", "path")

    def __init__(
        self, value: str, file: str | None = None, again: "Callable[[], Secret] | None" = None, path: Path | None = None
    ) -> None:
        self._value = value
        self.file = file
        self.again = again
        self.path = path

    def reread_by(self, again: "Callable[[], Secret]") -> "Secret":
        """The same, but for how it is read again if it is from a file."""
        return Secret(self._value, self.file, again if self.file else None, self.path)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.file) == (other._value, other.file)

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Header(msgspec.Struct, frozen=True):
    """A header that is sent with each request, its name in lower case. `secret`: the log leaves its value out."""

    name: str
    value: Secret
    secret: bool


class Storage(msgspec.Struct, frozen=True):
    """`keep_deliveries` is seconds."""

    path: Path
    keep_deliveries: float = 30 * 86400.0


class Listen(msgspec.Struct, frozen=True):
    """An address to listen on; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 9471


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """`base_path` is "" or such as "/tracker"; neither that nor `external_url` ends with a slash."""

    listen: tuple[Listen, ...] = (Listen(),)
    token: Secret | None = None
    hosts: tuple[str, ...] = ()
    base_path: str = ""
    external_url: str | None = None


class Exposition(msgspec.Struct, frozen=True):
    """What /metrics shows: so many active jobs, the oldest, have series of their own."""

    max_job_series: int = 1000


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One API key, hence one workspace. Durations are seconds, but for `timeout_hours`."""

    name: str
    api_key: Secret
    base_url: str = "https://api.mistral.ai"
    poll_interval: float = 15.0
    requests_per_second: float = 1.0
    backfill: float = 7 * 86400.0
    settle_for: float = 15.0
    request_timeout: float = 10.0
    stalled_after: float = 3600.0
    timeout_hours: float = 24.0
    unreachable_after: float = 300.0
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A destination: a `url`, or for Slack a bot's `token` and `channel`.

    Durations are seconds; a `hold` of infinity always waits for order. `group_wait` is how long a burst gathers for Slack,
    `api` where Slack's is.
    """

    name: str
    kind: Literal["webhook", "slack"]
    url: Secret | None = None
    token: Secret | None = None
    channel: str | None = None
    group_wait: float = 10.0
    api: str = "https://slack.com/api"
    secrets: tuple[Secret, ...] = ()
    events: tuple[str, ...] = DEFAULT_TYPES
    retry: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    hold: float = 900.0
    timeout: float = 20.0
    match: Match = Match()
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None

    @property
    def host(self) -> str:
        """Where it sends, by the host alone: paths, ports and credentials of a URL may be secret."""
        url = self.url.reveal() if self.url else self.api
        return urlsplit(url).hostname or ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration; `source` is the file it came from, None where it is the defaults."""

    source: str | None
    storage: Storage
    http: Http
    accounts: tuple[Account, ...]
    receivers: tuple[Receiver, ...] = ()
    metrics: Exposition = Exposition()
    proxies: Proxies | None = None

    def secrets(self) -> list[str]:
        """Every secret's value, for the log to leave out; of a URL also the parts that a server may echo alone."""
        held = [account.api_key for account in self.accounts]
        urls = [receiver.url for receiver in self.receivers if receiver.url]
        tokens = [token for token in (self.http.token, *(receiver.token for receiver in self.receivers)) if token]
        held += [*urls, *tokens, *(secret for receiver in self.receivers for secret in receiver.secrets)]
        headers = [header for account in self.accounts for header in account.headers]
        headers += [header for receiver in self.receivers for header in receiver.headers]
        held += [header.value for header in headers if header.secret]
        proxies = self.proxies.secrets() if self.proxies else []
        return proxies + [secret.reveal() for secret in held] + [part for url in urls for part in telling_parts(url.reveal())]


def telling_parts(url: str) -> list[str]:
    """What of a URL a server may echo alone: its user, also as it is sent, and path and query, with the host and without."""
    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = b64encode(unquote(credentials).encode()).decode()
    return [part for part in (credentials, sent, target) if len(part) > 4] + ([host + target] if len(target) > 4 else [])
