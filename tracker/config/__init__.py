"""Owns loading the configuration: finding it, and TOML to a frozen `Config`. The only reader of the environment."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

from tracker.config import address, certificates, secret_references, toml_table
from tracker.config.headers import headers
from tracker.config.http_section import read_http
from tracker.config.model import Account, Config, Exposition, Http, Listen, Receiver, Secret, Storage
from tracker.config.proxies import proxies
from tracker.config.toml_positions import line_of_excess, syntax_error, with_lines
from tracker.config.toml_table import Table, Wrong
from tracker.core.deliveries.fan_out import Match
from tracker.core.deliveries.signing import parse_secret
from tracker.core.errors.config_error import ConfigError
from tracker.core.queries.names import unknown_type

__all__ = [
    "Account",
    "Config",
    "Http",
    "Listen",
    "Match",
    "Receiver",
    "Secret",
    "Storage",
    "account_names",
    "database_path",
    "load",
    "receiver_names",
]

SYSTEM_FILE: Final = Path("/etc/batch-tracker/tracker.toml")
_MAX_BYTES: Final = 1024 * 1024  # more than thousands of receivers need; a device would not end
_NONE: Final = Secret("")
_DEFAULT_ACCOUNT: Final = "default"
_DEFAULT_ACCOUNTS: Final = [{"name": _DEFAULT_ACCOUNT, "api_key": {"env": "MISTRAL_API_KEY"}}]
"""What no [[accounts]] stands for, where $MISTRAL_API_KEY is set."""


def load(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Config:  # noqa: TID251 - this is the reader
    """The configuration of `--config FILE`, else $BATCH_TRACKER_CONFIG, else the system's file, else the defaults.

    Raises `ConfigError` with every mistake there is, one a line.
    """
    source = _find(explicit, environ)
    if source is None and not _has_default_key(environ):
        raise ConfigError(
            "no configuration: set MISTRAL_API_KEY to run on defaults, name a file with --config FILE or "
            f"$BATCH_TRACKER_CONFIG, or write {SYSTEM_FILE}"
        )
    text = "" if source is None else _content(source)
    values = _parsed(source, text)
    errors: list[str] = []
    config = _config(source, values, errors, environ)
    _tell(source, text, errors)
    return config


def database_path(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Path:  # noqa: TID251 - this is the reader
    """Where the database is; needs no secret."""
    source = _find(explicit, environ)
    text = "" if source is None else _content(source)
    errors: list[str] = []
    storage = _storage(_parsed(source, text).get("storage", {}), errors, environ)
    _tell(source, text, errors)
    return storage.path


def receiver_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """What the receivers are called; needs no secret, and leaves every other mistake to `load`."""
    source = _find(explicit, environ)
    tables = {} if source is None else _parsed(source, _content(source))
    names = [each.get("name") for _, each in _tables(tables, "receivers", []) if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)]


def account_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """What the accounts are called; likewise."""
    source = _find(explicit, environ)
    tables = {} if source is None else _parsed(source, _content(source))
    names = [each.get("name") for _, each in _tables(tables, "accounts", []) if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)] or [_DEFAULT_ACCOUNT]


def _tell(source: Path | None, text: str, errors: list[str]) -> None:
    if errors:
        raise ConfigError("\n".join(errors if source is None else with_lines(str(source), text, errors)))


def _find(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    if explicit == "":
        raise ConfigError("--config: found nothing, expected the name of a file")
    named = explicit or environ.get("BATCH_TRACKER_CONFIG")
    if named:
        return Path(named)
    return SYSTEM_FILE if _is_there(SYSTEM_FILE) else None


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # somewhere that may not be looked at: reading it will say why
        return True


def _has_default_key(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("MISTRAL_API_KEY", "").strip())


def _parsed(path: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        what, place = syntax_error(str(error), text)
        raise ConfigError(f"{path}:{place}: not TOML: {what}") from error
    except ValueError as error:  # Python refuses to read some thousand digits
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: a number of too many digits") from error


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{path}: expected at most {_MAX_BYTES} bytes, found more")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line, column = error.object[: error.start].count(b"\n") + 1, error.start - error.object.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}:{column}: expected UTF-8, found another byte") from error


def _config(source: Path | None, values: dict[str, Any], errors: list[str], environ: Mapping[str, str]) -> Config:
    Table(values, "", errors, ("storage", "http", "metrics", "network", "accounts", "receivers"))
    errors += certificates.mistakes_in(environ)
    storage = _storage(values.get("storage", {}), errors, environ)
    http = read_http(values.get("http", {}), errors, environ)
    metrics = Table(values.get("metrics", {}), "metrics", errors, Exposition.__struct_fields__)
    network = Table(values.get("network", {}), "network", errors, ("use_environment_proxies",))
    return Config(
        source=None if source is None else str(source),
        storage=storage,
        http=http,
        metrics=Exposition(metrics.get("max_job_series", toml_table.whole(0, 100_000), Exposition().max_job_series)),
        proxies=proxies(environ, errors) if network.get("use_environment_proxies", toml_table.flag, default=False) else None,
        accounts=_accounts(values, errors, environ),
        receivers=_receivers(values, errors, environ),
    )


def _accounts(values: dict[str, Any], errors: list[str], environ: Mapping[str, str]) -> tuple[Account, ...]:
    if "accounts" not in values and _has_default_key(environ):
        values = {"accounts": _DEFAULT_ACCOUNTS}
    if values.get("accounts", []) == []:
        errors.append("accounts: found none, expected at least one [[accounts]], or $MISTRAL_API_KEY instead of them")
    accounts = tuple(_account(each, path, errors, environ) for path, each in _tables(values, "accounts", errors))
    _unique("accounts", [account.name for account in accounts], errors)
    return accounts


def _receivers(values: dict[str, Any], errors: list[str], environ: Mapping[str, str]) -> tuple[Receiver, ...]:
    receivers = tuple(_receiver(each, path, errors, environ) for path, each in _tables(values, "receivers", errors))
    _unique("receivers", [receiver.name for receiver in receivers], errors)
    return receivers


def _tables(values: dict[str, Any], key: str, errors: list[str]) -> list[tuple[str, Any]]:
    found = values.get(key, [])
    if not isinstance(found, list):
        errors.append(f"{key}: found {toml_table.described(found)}, expected [[{key}]]")
        return []
    return [(f"{key}[{index}]", each) for index, each in enumerate(found)]


def _unique(key: str, names: list[str], errors: list[str]) -> None:
    errors.extend(
        f"{key}[{index}].name: found {name!r} twice, expected a name of its own"
        for index, name in enumerate(names)
        if name and name in names[:index]
    )


def _storage(values: Any, errors: list[str], environ: Mapping[str, str]) -> Storage:
    found = Table(values, "storage", errors, Storage.__struct_fields__)
    path = found.get("path", secret_references.path(environ), None) or _default_path(environ)
    if path is None:
        found.need("path", toml_table.text, "", "a path, as none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
    keep = found.get("keep_deliveries", toml_table.duration("0s", "3650d"), Storage(Path()).keep_deliveries)
    return Storage(path or Path(), keep)


def _default_path(environ: Mapping[str, str]) -> Path | None:
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0]) / "tracker.db"
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "batch-tracker" / "tracker.db"
    return Path(environ["HOME"]) / ".local" / "state" / "batch-tracker" / "tracker.db" if environ.get("HOME") else None


def _account(values: Any, path: str, errors: list[str], environ: Mapping[str, str]) -> Account:
    keys = (*(key for key in Account.__struct_fields__ if key != "tls"), *certificates.KEYS)
    found = Table(values, path, errors, keys)
    default = Account(name="", api_key=_NONE)
    return Account(
        name=found.need("name", toml_table.name, "", 'a name, such as "default"'),
        api_key=found.need("api_key", secret_references.secret(environ), _NONE, '{ env = "MISTRAL_API_KEY" }'),
        base_url=found.get("base_url", address.api_url, default.base_url),
        poll_interval=found.get("poll_interval", toml_table.duration("50ms", "1d"), default.poll_interval),
        requests_per_second=found.get(
            "requests_per_second", toml_table.number(0.001, 1000, "1.0"), default.requests_per_second
        ),
        backfill=found.get("backfill", toml_table.duration("0s", "3650d"), default.backfill),
        settle_for=found.get("settle_for", toml_table.duration("0s", "1h"), default.settle_for),
        request_timeout=found.get("request_timeout", toml_table.duration("50ms", "10m"), default.request_timeout),
        stalled_after=found.get("stalled_after", toml_table.duration("1s", "3650d"), default.stalled_after),
        timeout_hours=found.get("timeout_hours", toml_table.number(0.001, 8784, "24"), default.timeout_hours),
        unreachable_after=found.get("unreachable_after", toml_table.duration("1s", "3650d"), default.unreachable_after),
        headers=found.get("headers", lambda each: headers(each, f"{path}.headers", errors, environ, has_key=True), ()),
        tls=certificates.tls(found, environ, errors),
    )


_WEBHOOK_KEYS: Final = ("secret",)
_SLACK_KEYS: Final = ("token", "channel", "group_wait", "api")


def _receiver(values: Any, path: str, errors: list[str], environ: Mapping[str, str]) -> Receiver:
    known = ("name", "kind", "url", *_WEBHOOK_KEYS, *_SLACK_KEYS, "events", "retry", "hold", "timeout", "match", "headers")
    found = Table(values, path, errors, (*known, *certificates.KEYS))
    default = Receiver(name="", kind="webhook")
    url = found.get("url", address.receiver_url(environ), None)
    has_key = (isinstance(values, dict) and "token" in values) or (url is not None and address.has_user(url.reveal()))
    receiver = Receiver(
        name=found.need("name", toml_table.name, "", 'a name, such as "pipeline"'),
        kind=found.need("kind", toml_table.choice("webhook", "slack"), default.kind, "'webhook' or 'slack'"),
        url=url,
        secrets=found.get("secret", _receiver_secrets(environ), ()),
        token=found.get("token", secret_references.secret(environ), None),
        channel=found.get("channel", toml_table.text, "") or None,
        group_wait=found.get("group_wait", toml_table.duration("0s", "1h"), default.group_wait),
        api=found.get("api", address.base_url, default.api),
        events=found.get("events", _event_types, default.events),
        retry=found.get("retry", _schedule, default.retry),
        hold=found.get("hold", _hold, default.hold),
        timeout=found.get("timeout", toml_table.duration("50ms", "1m"), default.timeout),
        match=found.get("match", lambda each: _match(each, f"{path}.match", errors), default.match),
        headers=found.get("headers", lambda each: headers(each, f"{path}.headers", errors, environ, has_key=has_key), ()),
        tls=certificates.tls(found, environ, errors),
    )
    if isinstance(values, dict):
        errors += [f"{path}.{mistake}" for mistake in _misplaced(receiver.kind, values.keys())]
    return receiver


def _misplaced(kind: str, given: AbstractSet[str]) -> Iterator[str]:
    """Which keys of a receiver are missing for its kind, or are of the other kind."""
    for key in _SLACK_KEYS if kind == "webhook" else _WEBHOOK_KEYS:
        if key in given:
            yield f"{key}: only a receiver of the other kind has it"
    if kind == "webhook" and "url" not in given:
        yield "url: missing, expected a URL, or a reference to one"
    if kind == "slack" and ("url" in given) == ("token" in given):
        yield "url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`"
    if kind == "slack" and "token" in given and "channel" not in given:
        yield 'channel: missing, expected the channel that the bot writes to, such as "#batches"'


def _receiver_secrets(environ: Mapping[str, str]) -> Any:
    def read(value: Any) -> Secret:
        secret = secret_references.secret(environ)(value)
        try:
            parse_secret(secret.reveal())
        except ValueError as error:
            raise Wrong(f"found something else (not shown), {error}") from None
        return secret.reread_by(lambda: read(value))

    return lambda value: tuple(map(read, value)) if value and isinstance(value, list) else (read(value),)


def _event_types(value: Any) -> tuple[str, ...]:
    globs = toml_table.texts(value)
    if wrong := [*filter(None, map(unknown_type, globs))]:
        raise Wrong("; also ".join(wrong))
    return globs


def _schedule(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong(f"found {toml_table.described(value)}, expected a list of durations")
    return tuple(map(toml_table.duration("0s", "30d"), value))


def _hold(value: Any) -> float:
    return float("inf") if value == "forever" else toml_table.duration("0s", "3650d")(value)


def _match(values: Any, path: str, errors: list[str]) -> Match:
    found = Table(values, path, errors, Match.__struct_fields__)
    metadata: dict[str, str] = found.get("metadata", _globs, {})
    account, model, endpoint = (found.get(key, toml_table.text, "") or None for key in ("account", "model", "endpoint"))
    return Match(account=account, model=model, endpoint=endpoint, metadata=metadata)


def _globs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong(f"found {toml_table.described(value)}, expected a table of globs")
    return {key: toml_table.text(each) for key, each in value.items()}
