"""Owns the configuration as frozen values, none of which shows a secret."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec

from tracker.core.deliveries.fan_out import Match
from tracker.core.events.types import DEFAULT_TYPES
from tracker.http.proxies import Proxies
from tracker.http.tls import Tls


class Secret:
    """A value that no representation shows.

    A secret from a file may have been replaced since: `file` describes the file, `path` is its path, and `reread` reads it
    again, or raises `InvalidValue`.
    """

    __slots__ = ("_value", "file", "path", "reread")

    def __init__(
        self, value: str, file: str | None = None, reread: "Callable[[], Secret] | None" = None, path: Path | None = None
    ) -> None:
        self._value = value
        self.file = file
        self.reread = reread
        self.path = path

    def with_reread(self, reread: "Callable[[], Secret]") -> "Secret":
        """The same secret, which `reread` reads again if it is from a file."""
        return Secret(self._value, self.file, reread if self.file else None, self.path)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.file) == (other._value, other.file)

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Header(msgspec.Struct, frozen=True):
    """A header of each request, its name in lower case. The value of a `secret` one is not logged."""

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
    """What /metrics shows. At most `max_job_series` active jobs, the oldest, have their own series."""

    max_job_series: int = 1000


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One API key, hence one workspace. Durations are seconds, except for `timeout_hours`."""

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
    """A destination of events. Each kind of receiver is a subclass, in the package of its notifier.

    The fields of a subclass are the keys that its kind adds to the configuration. Durations are seconds. A `hold` of infinity
    always waits for order; `group_wait` is how long the deliveries of a burst are gathered.
    """

    kind: ClassVar[str] = ""

    name: str
    url: Secret | None = None
    group_wait: float = 0.0
    events: tuple[str, ...] = DEFAULT_TYPES
    retry: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    hold: float = 900.0
    timeout: float = 20.0
    match: Match = Match()
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None

    @classmethod
    def readers(cls, environ: Mapping[str, str]) -> Mapping[str, Callable[[Any], Any]]:  # noqa: ARG003 - a subclass uses it
        """The keys that this kind adds, and what reads the value of each; a reader raises `InvalidValue`."""
        return {}

    @classmethod
    def mistakes(cls, given: AbstractSet[str]) -> Iterator[str]:
        """What is missing among the given keys, or contradicts another one, such as "url: missing, expected a URL"."""
        if "url" not in given:
            yield "url: missing, expected a URL, or a reference to one"

    @property
    def destination(self) -> str:
        """The URL that it sends to."""
        return self.url.reveal() if self.url else ""

    @property
    def host(self) -> str:
        """The host that it sends to, without port, path and credentials, which may be secret."""
        return urlsplit(self.destination).hostname or ""

    @property
    def sets_authorization(self) -> bool:
        """Whether the notifier sets the header `authorization`, as for a URL with a user."""
        return "@" in urlsplit(self.destination).netloc

    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """Each address that it sends to: its key, the URL, and what could be read on the network path without TLS."""
        if self.url:
            yield "url", self.url.reveal(), "its events"

    def secrets_by_key(self) -> dict[str, Secret]:
        """The secrets of its own by their key, those of a list as `key[0]`; without those of `headers`."""
        found: dict[str, Secret] = {}
        for key, field in zip(self.__struct_encode_fields__, self.__struct_fields__, strict=True):
            value = getattr(self, field)
            if isinstance(value, Secret):
                found[key] = value
            elif isinstance(value, tuple):
                found |= {f"{key}[{index}]": each for index, each in enumerate(value) if isinstance(each, Secret)}
        return found


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration; `source` is its file, None for the defaults."""

    source: str | None
    storage: Storage
    http: Http
    accounts: tuple[Account, ...]
    receivers: tuple[Receiver, ...] = ()
    metrics: Exposition = Exposition()
    proxies: Proxies | None = None

    def secrets(self) -> list[str]:
        """The values of all secrets, for redaction; of a URL also the parts that a server may quote alone."""
        held = [account.api_key for account in self.accounts]
        held += [self.http.token] if self.http.token else []
        held += [secret for receiver in self.receivers for secret in receiver.secrets_by_key().values()]
        headers = [header for account in self.accounts for header in account.headers]
        headers += [header for receiver in self.receivers for header in receiver.headers]
        held += [header.value for header in headers if header.secret]
        proxies = self.proxies.secrets() if self.proxies else []
        urls = [receiver.url.reveal() for receiver in self.receivers if receiver.url]
        return proxies + [secret.reveal() for secret in held] + [part for url in urls for part in secret_parts(url)]


def secret_parts(url: str) -> list[str]:
    """The parts of a URL that a server may quote alone: its user, also in base64, and path and query, with and without host."""
    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = b64encode(unquote(credentials).encode()).decode()
    return [part for part in (credentials, sent, target) if len(part) > 4] + ([host + target] if len(target) > 4 else [])
