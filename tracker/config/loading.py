"""Owns loading the configuration: which file, and from TOML to a frozen `Config`. The only reader of the environment."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tracker.config import certificates, secret_references, toml_table
from tracker.config.accounts import DEFAULT_ACCOUNT, has_default_key, read_accounts
from tracker.config.http_section import read_http
from tracker.config.model import Config, Exposition, Receiver, Storage
from tracker.config.proxies import read_proxies
from tracker.config.receivers import read_receivers
from tracker.config.toml_positions import line_of_excess, syntax_error, with_lines
from tracker.config.toml_table import Table
from tracker.core.errors.config_error import ConfigError

SYSTEM_FILE: Final = Path("/etc/batch-tracker/tracker.toml")
_MAX_BYTES: Final = 1024 * 1024  # more than thousands of receivers need; reading a device would not end


def load(
    explicit: str | None,
    kinds: Sequence[type[Receiver]],
    environ: Mapping[str, str] = os.environ,  # noqa: TID251 - this is the reader
) -> Config:
    """The configuration of `--config FILE`, else $BATCH_TRACKER_CONFIG, else the system's file, else the defaults.

    `kinds` are the kinds of receivers that there are. `tracker.daemon.configuration` calls this with all of them.
    Raises `ConfigError` with every mistake there is, one a line.
    """
    source = _find_file(explicit, environ)
    if source is None and not has_default_key(environ):
        raise ConfigError(
            "no configuration: set MISTRAL_API_KEY to run on defaults, name a file with --config FILE or "
            f"$BATCH_TRACKER_CONFIG, or write {SYSTEM_FILE}"
        )
    text = "" if source is None else _read_file(source)
    values = _parse(source, text)
    errors: list[str] = []
    config = _build_config(source, values, errors, environ, kinds)
    _raise_errors(source, text, errors)
    return config


def database_path(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Path:  # noqa: TID251 - this is the reader
    """The path of the database. It reads no secret. Raises `ConfigError`."""
    source = _find_file(explicit, environ)
    text = "" if source is None else _read_file(source)
    errors: list[str] = []
    storage = _read_storage(_parse(source, text).get("storage", {}), errors, environ)
    _raise_errors(source, text, errors)
    return storage.path


def receiver_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the receivers. It reads no secret and leaves all other mistakes to `load`."""
    source = _find_file(explicit, environ)
    values = {} if source is None else _parse(source, _read_file(source))
    names = [each.get("name") for _, each in toml_table.tables(values, "receivers", []) if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)]


def account_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the accounts, likewise."""
    source = _find_file(explicit, environ)
    values = {} if source is None else _parse(source, _read_file(source))
    names = [each.get("name") for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)] or [DEFAULT_ACCOUNT]


def _raise_errors(source: Path | None, text: str, errors: list[str]) -> None:
    if errors:
        raise ConfigError("\n".join(errors if source is None else with_lines(str(source), text, errors)))


def _find_file(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    if explicit == "":
        raise ConfigError("--config: found nothing, expected the name of a file")
    named = explicit or environ.get("BATCH_TRACKER_CONFIG")
    if named:
        return Path(named)
    return SYSTEM_FILE if _exists(SYSTEM_FILE) else None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # the directory may not be read: opening the file will say why
        return True


def _parse(path: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        what, place = syntax_error(str(error), text)
        raise ConfigError(f"{path}:{place}: not TOML: {what}") from error
    except ValueError as error:  # Python refuses integers of some thousand digits
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: a number of too many digits") from error


def _read_file(path: Path) -> str:
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


def _build_config(
    source: Path | None,
    values: dict[str, Any],
    errors: list[str],
    environ: Mapping[str, str],
    kinds: Sequence[type[Receiver]],
) -> Config:
    Table(values, "", errors, ("storage", "http", "metrics", "network", "accounts", "receivers"))
    errors += certificates.environment_mistakes(environ)
    storage = _read_storage(values.get("storage", {}), errors, environ)
    http = read_http(values.get("http", {}), errors, environ)
    metrics = Table(values.get("metrics", {}), "metrics", errors, Exposition.__struct_fields__)
    network = Table(values.get("network", {}), "network", errors, ("use_environment_proxies",))
    return Config(
        source=None if source is None else str(source),
        storage=storage,
        http=http,
        metrics=Exposition(metrics.get("max_job_series", toml_table.integer(0, 100_000), Exposition().max_job_series)),
        proxies=read_proxies(environ, errors)
        if network.get("use_environment_proxies", toml_table.boolean, default=False)
        else None,
        accounts=read_accounts(values, errors, environ),
        receivers=read_receivers(values, errors, environ, kinds),
    )


def _read_storage(values: Any, errors: list[str], environ: Mapping[str, str]) -> Storage:
    found = Table(values, "storage", errors, Storage.__struct_fields__)
    path = found.get("path", secret_references.path(environ), None) or _default_database(environ)
    if path is None:
        found.require("path", toml_table.text, "", "a path, as none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
    keep = found.get("keep_deliveries", toml_table.duration("0s", "3650d"), Storage(Path()).keep_deliveries)
    return Storage(path or Path(), keep)


def _default_database(environ: Mapping[str, str]) -> Path | None:
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0]) / "tracker.db"
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "batch-tracker" / "tracker.db"
    return Path(environ["HOME"]) / ".local" / "state" / "batch-tracker" / "tracker.db" if environ.get("HOME") else None
