"""Owns the configuration as frozen values, none of which shows a secret."""

import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from tracker.config.postgres_urls import secrets_of
from tracker.config.secrets.secret import Header, Secret, secret_parts
from tracker.config.telemetry import Telemetry
from tracker.core.deliveries.fan_out import Match
from tracker.core.deliveries.retry_schedule import DEFAULT_RETRY_WAITS
from tracker.core.events.event_type_table import DEFAULT_TYPES
from tracker.core.results.cost import Price
from tracker.core.silences.weekly_window import WeeklyWindow
from tracker.http.proxies import Proxies
from tracker.http.tls import Tls


class Storage(msgspec.Struct, frozen=True):
    """The database: the `path` of an SQLite file, or the `url` of PostgreSQL, of which `replica` is one of several users.

    `listen_url`, if there is one, leads to the same PostgreSQL past a pooler. `keep_deliveries` and `keep_events` are seconds,
    infinity for forever, as is `progress_every`, which accounts have that have none of their own. Older events of a file are
    moved into the directory `segments`, by default beside it.
    """

    path: Path | None
    keep_deliveries: float = 30 * 86400.0
    url: Secret | None = None
    schema: str = "batch_tracker"
    replica: str = ""
    listen_url: Secret | None = None
    state_directory: Path = Path()
    progress_every: float = 60.0
    keep_events: float = math.inf
    segments: Path | None = None

    @property
    def spool(self) -> Path:
        """The folder in which result files wait until they are uploaded to an object store, not shared with other replicas."""
        if self.path is None:
            return self.state_directory / f"{quote(self.replica, safe='')}.uploads"
        return self.path.with_name(self.path.name + ".uploads")


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


class MetricsConfig(msgspec.Struct, frozen=True):
    """What /metrics shows. At most `max_job_series` active jobs, the oldest, have their own series."""

    max_job_series: int = 1000


class ResultsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How result files are archived. `keep` is seconds, infinity for forever; sizes are bytes.

    `archive` is the path of a directory or the URL of an object store ("s3://…", "gs://…", "az://…"), None if nothing is
    archived. `accounts` are globs.
    """

    archive: str | None = None
    keep: float = 90 * 86400.0
    max_file: int = 20 * 1000**3
    min_free: int = 1000**3
    compress: bool = True
    accounts: tuple[str, ...] = ("*",)
    digest_samples: bool = True

    @property
    def directory(self) -> Path | None:
        """The directory of the archive; None if it is in an object store, or there is none."""
        return Path(self.archive) if self.archive and "://" not in self.archive else None

    def covers(self, account: str) -> bool:
        """Whether results of the account of this name are archived, unless the account itself says no."""
        return bool(self.archive) and any(fnmatchcase(account, glob) for glob in self.accounts)


class ResultsAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of results, for who only reads them: it needs no secret.

    `excluded` are the accounts that say `results = false`, `providers` the vendors of all accounts; `spool` is the folder of
    uploads to an object store.
    """

    results: ResultsConfig
    prices: tuple[Price, ...]
    excluded: frozenset[str]
    spool: Path
    providers: Mapping[str, str]

    def archives(self, account: str) -> bool:
        """Whether results of the account of this name are archived."""
        return account not in self.excluded and self.results.covers(account)


DEFAULT_ACCOUNT: Final = "default"
"""The account of $MISTRAL_API_KEY, where no [[accounts]] are configured."""

BEARER_HEADER: Final = "authorization"
"""The header in which a key is sent as `Bearer KEY`; in any other it is sent as it is."""


class AccountVendor(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration has to know of a vendor, whose `name` is the value of `provider`.

    `key_variable` is the environment variable that its own programs use, `pending_limit` how many requests may be pending, None
    if the vendor does not say. Where a secret header of `own_key_headers` is configured, it takes the place of `api_key`, which
    is sent as `key_header` otherwise.
    """

    name: str
    title: str
    base_url: str
    key_variable: str
    pending_limit: int | None = None
    key_header: str = BEARER_HEADER
    own_key_headers: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True, kw_only=True, rename={"webhook_secrets": "webhook_secret"}):
    """One API key, hence one workspace. Durations are seconds, except for `timeout_hours`.

    `provider` is the name of its vendor. `api_key` is "" where one of `headers` holds it. Webhooks are accepted that any of
    `webhook_secrets` has signed. `results`: its results are archived where any are. `pending_limit` is how many requests of the
    workspace may be pending, None if that is unknown. With a `failed_share` of None no job is at risk, with a
    `progress_every` of None that of the storage is meant.
    """

    name: str
    provider: str = "mistral"
    api_key: Secret
    base_url: str = "https://api.mistral.ai"
    webhook_secrets: tuple[Secret, ...] = ()
    poll_interval: float = 15.0
    requests_per_second: float = 1.0
    backfill: float = 7 * 86400.0
    settle_for: float = 15.0
    progress_every: float | None = None
    request_timeout: float = 10.0
    stalled_after: float = 3600.0
    timeout_hours: float = 24.0
    failed_share: float | None = 0.5
    unreachable_after: float = 300.0
    results: bool = True
    pending_limit: int | None = 1_000_000
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None


class Address(NamedTuple):
    """A URL that something is sent to, its key, and what others could read on the network path without TLS.

    `encrypted` is the scheme of such a URL with TLS.
    """

    key: str
    url: str
    readable: str
    encrypted: str = "https"


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A destination of events. Each kind of receiver is a subclass, in the package of its notifier.

    The fields of a subclass are the keys that its kind adds to the configuration. Durations are seconds. A `hold` of infinity
    always waits for order; `group_wait` is how long the deliveries of a burst are gathered. `rate_limit` is messages a second,
    `remind_every` the time between two reminders of what stays broken.
    """

    kind: ClassVar[str] = ""

    name: str
    url: Secret | None = None
    group_wait: float = 0.0
    events: tuple[str, ...] = DEFAULT_TYPES
    retry: tuple[float, ...] = DEFAULT_RETRY_WAITS
    hold: float = 900.0
    timeout: float = 20.0
    rate_limit: float = math.inf
    remind_every: float = math.inf
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

    @classmethod
    def url_reader(cls, environ: Mapping[str, str]) -> Callable[[Any], Secret] | None:  # noqa: ARG003 - as above
        """What reads `url`; None for the URL of a web server."""
        return None

    @property
    def service(self) -> str:
        """What it is a receiver of, if the kind does not say that: "Gotify"."""
        return ""

    @staticmethod
    def parts_of_url(url: str) -> list[str]:
        """The parts of a `url` of this kind that are secret by themselves."""
        return secret_parts(url)

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

    def addresses(self) -> Iterator[Address]:
        """Each address that it sends to."""
        if self.url:
            yield Address("url", self.url.reveal(), "its events")

    def files(self) -> Iterator[Path]:
        """The files that its messages are made by, besides those of secrets and certificates."""
        yield from ()

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
    metrics: MetricsConfig = MetricsConfig()
    telemetry: Telemetry = Telemetry()
    results: ResultsConfig = ResultsConfig()
    prices: tuple[Price, ...] = ()
    maintenance: tuple[WeeklyWindow, ...] = ()
    proxies: Proxies | None = None

    def archived_accounts(self) -> list[Account]:
        """The accounts whose results are archived."""
        return [each for each in self.accounts if each.results and self.results.covers(each.name)]

    def secrets(self) -> list[str]:
        """The values of all secrets, for redaction; of a URL also the parts that a server may quote alone."""
        held = [account.api_key for account in self.accounts if account.api_key.reveal()]
        held += [secret for account in self.accounts for secret in account.webhook_secrets]
        held += [self.http.token] if self.http.token else []
        held += [secret for receiver in self.receivers for secret in receiver.secrets_by_key().values()]
        headers = [header for account in self.accounts for header in account.headers]
        headers += [header for receiver in self.receivers for header in receiver.headers]
        headers += self.telemetry.headers
        held += [header.value for header in headers if header.secret]
        proxies = self.proxies.secrets() if self.proxies else []
        parts = [part for receiver in self.receivers if receiver.url for part in receiver.parts_of_url(receiver.url.reveal())]
        proxies += [part for url in (self.storage.url, self.storage.listen_url) if url for part in secrets_of(url.reveal())]
        return proxies + [secret.reveal() for secret in held] + parts
