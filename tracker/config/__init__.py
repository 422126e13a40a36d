"""Owns loading the configuration: finding it, and TOML to a frozen `Config`. The only reader of the environment."""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tracker.config import table
from tracker.config.model import Account, Config, Http, Match, Receiver, Secret, Storage
from tracker.config.table import Table, Wrong
from tracker.core.config_error import ConfigError

__all__ = ["Account", "Config", "Http", "Match", "Receiver", "Secret", "Storage", "database_path", "load"]

SYSTEM_FILE: Final = Path("/etc/batch-tracker/tracker.toml")
_NONE: Final = Secret("")


def load(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Config:  # noqa: TID251 - this is the reader
    """The configuration of `--config FILE`, else $BATCH_TRACKER_CONFIG, else the system's file, else the defaults.

    Raises `ConfigError` with every mistake there is, one a line.
    """
    source = _find(explicit, environ)
    if source is None and "MISTRAL_API_KEY" not in environ:
        raise ConfigError(
            "no configuration: set MISTRAL_API_KEY to run on defaults, name a file with --config FILE or "
            f"$BATCH_TRACKER_CONFIG, or write {SYSTEM_FILE}"
        )
    values = {"accounts": [{"name": "default", "api_key": {"env": "MISTRAL_API_KEY"}}]} if source is None else _read(source)
    errors: list[str] = []
    config = _config(source, values, errors, environ)
    if errors:
        where = f"{source}: " if source else ""
        raise ConfigError("\n".join(where + error for error in errors))
    return config


def database_path(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Path:  # noqa: TID251 - this is the reader
    """Where the database is; needs no secret."""
    source = _find(explicit, environ)
    values = {} if source is None else _read(source)
    errors: list[str] = []
    storage = _storage(values.get("storage", {}), errors, environ)
    if errors:
        raise ConfigError("\n".join(f"{source}: {error}" for error in errors))
    return storage.path


def _find(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    named = explicit or environ.get("BATCH_TRACKER_CONFIG")
    if named:
        return Path(named)
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8, found another byte at offset {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _config(source: Path | None, values: dict[str, Any], errors: list[str], environ: Mapping[str, str]) -> Config:
    Table(values, "", errors, ("storage", "http", "network", "accounts", "receivers"))
    network = Table(values.get("network", {}), "network", errors, ("use_environment_proxies",))
    accounts = tuple(_account(each, path, errors, environ) for path, each in _tables(values, "accounts", errors))
    if not accounts and not errors:
        errors.append("accounts: missing, expected at least one [[accounts]]")
    receivers = tuple(_receiver(each, path, errors, environ) for path, each in _tables(values, "receivers", errors))
    _unique("accounts", [account.name for account in accounts], errors)
    _unique("receivers", [receiver.name for receiver in receivers], errors)
    return Config(
        source=None if source is None else str(source),
        storage=_storage(values.get("storage", {}), errors, environ),
        http=_http(values.get("http", {}), errors, environ),
        accounts=accounts,
        receivers=receivers,
        environment_proxies=network.get("use_environment_proxies", table.flag, default=False),
    )


def _tables(values: dict[str, Any], key: str, errors: list[str]) -> list[tuple[str, Any]]:
    found = values.get(key, [])
    if not isinstance(found, list):
        errors.append(f"{key}: found {table.shown(found)}, expected [[{key}]]")
        return []
    return [(f"{key}[{index}]", each) for index, each in enumerate(found)]


def _unique(key: str, names: list[str], errors: list[str]) -> None:
    errors.extend(
        f"{key}[{index}].name: found {name!r} twice, expected a name of its own"
        for index, name in enumerate(names)
        if name and name in names[:index]
    )


def _storage(values: Any, errors: list[str], environ: Mapping[str, str]) -> Storage:
    found = Table(values, "storage", errors, ("path",))
    return Storage(Path(found.get("path", table.text, str(_default_path(environ)))).expanduser())


def _default_path(environ: Mapping[str, str]) -> Path:
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0]) / "tracker.db"
    state = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "~")) / ".local" / "state"
    return Path(state) / "batch-tracker" / "tracker.db"


def _http(values: Any, errors: list[str], environ: Mapping[str, str]) -> Http:
    found = Table(values, "http", errors, ("listen", "token"))
    host, port = found.get("listen", _listen, (Http().host, Http().port))
    token = found.get("token", table.secret(environ), None)
    if token is None and not _is_loopback(host) and "token" not in values:
        errors.append(f"http.listen: found {host!r}, which is not loopback, and no http.token; expected a token to go with it")
    return Http(host, port, token)


def _listen(value: Any) -> tuple[str, int]:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Wrong(f'found {table.shown(value)}, expected HOST:PORT, such as "127.0.0.1:9471"')
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _account(values: Any, path: str, errors: list[str], environ: Mapping[str, str]) -> Account:
    found = Table(values, path, errors, Account.__struct_fields__)
    default = Account(name="", api_key=_NONE)
    return Account(
        name=found.need("name", table.name, "", 'a name, such as "default"'),
        api_key=found.need("api_key", table.secret(environ), _NONE, '{ env = "MISTRAL_API_KEY" }'),
        base_url=found.get("base_url", _base_url, default.base_url),
        poll_interval=found.get("poll_interval", table.duration(0.05, 86400), default.poll_interval),
        requests_per_second=found.get("requests_per_second", table.rate, default.requests_per_second),
        backfill=found.get("backfill", table.duration(0, 3650 * 86400), default.backfill),
        request_timeout=found.get("request_timeout", table.duration(0.05, 600), default.request_timeout),
    )


def _base_url(value: Any) -> str:
    expected = 'expected an http or https URL, such as "https://api.mistral.ai"'
    try:
        parts = urlsplit(table.text(value))
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise Wrong(f"found {table.shown(value)}, {expected}") from None
    if parts.username or parts.password:
        raise Wrong(f"found a URL with credentials in it (not shown), {expected}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or not port_is_valid:
        raise Wrong(f"found {table.shown(value)}, {expected}")
    return str(value)


def _receiver(values: Any, path: str, errors: list[str], environ: Mapping[str, str]) -> Receiver:
    found = Table(values, path, errors, ("name", "kind", "url", "secret", "events", "retry", "hold", "match"))
    default = Receiver(name="", kind="webhook", url=_NONE)
    return Receiver(
        name=found.need("name", table.name, "", 'a name, such as "pipeline"'),
        kind=found.need("kind", table.choice("webhook", "slack"), default.kind, "'webhook' or 'slack'"),
        url=found.need("url", _receiver_url(environ), _NONE, "a URL, or a reference to one"),
        secrets=found.get("secret", _receiver_secrets(environ), ()),
        events=found.get("events", table.texts, default.events),
        retry=found.get("retry", _schedule, default.retry),
        hold=found.get("hold", _hold, default.hold),
        match=found.get("match", lambda each: _match(each, f"{path}.match", errors), default.match),
    )


def _receiver_url(environ: Mapping[str, str]) -> Any:
    def read(value: Any) -> Secret:
        found = table.secret(environ)(value) if isinstance(value, dict) else Secret(table.text(value))
        if urlsplit(found.reveal()).scheme not in ("http", "https"):
            raise Wrong("found something else (not shown), expected an http or https URL")
        return found

    return read


def _receiver_secrets(environ: Mapping[str, str]) -> Any:
    read = table.secret(environ)
    return lambda value: tuple(map(read, value)) if isinstance(value, list) else (read(value),)


def _schedule(value: Any) -> tuple[float, ...]:
    return tuple(map(table.duration(0, 30 * 86400), table.texts(value)))


def _hold(value: Any) -> float:
    return float("inf") if value == "forever" else table.duration(0, 3650 * 86400)(value)


def _match(values: Any, path: str, errors: list[str]) -> Match:
    found = Table(values, path, errors, Match.__struct_fields__)
    metadata: dict[str, str] = found.get("metadata", _globs, {})
    account, model, endpoint = (found.get(key, table.text, "") or None for key in ("account", "model", "endpoint"))
    return Match(account=account, model=model, endpoint=endpoint, metadata=metadata)


def _globs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong(f"found {table.shown(value)}, expected a table of globs")
    return {key: table.text(each) for key, each in value.items()}
