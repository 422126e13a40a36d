"""Owns loading the configuration: which file, and from TOML to a frozen `Config`. The only reader of the environment."""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tracker.config import certificates
from tracker.config.model import AccountVendor, Config, MetricsConfig, Receiver, ResultsAccess, Storage
from tracker.config.proxies import read_proxies
from tracker.config.sections.accounts import DEFAULT_ACCOUNT, has_default_key, read_accounts
from tracker.config.sections.http_section import read_http
from tracker.config.sections.maintenance_windows import read_maintenance
from tracker.config.sections.receivers import read_receivers
from tracker.config.sections.results import read_prices, read_results
from tracker.config.sections.storage_section import read_storage
from tracker.config.sections.telemetry_section import read_telemetry
from tracker.config.toml import toml_table
from tracker.config.toml.toml_positions import line_of_excess, syntax_error, with_lines
from tracker.config.toml.toml_table import Table
from tracker.core.errors.config_error import ConfigError
from tracker.core.jobs.native import MISTRAL, named_provider

SYSTEM_FILE: Final = Path("/etc/batch-tracker/tracker.toml")
_SECTIONS: Final = (
    "storage",
    "http",
    "metrics",
    "telemetry",
    "network",
    "results",
    "prices",
    "accounts",
    "receivers",
    "maintenance",
)
_MAX_BYTES: Final = 1024 * 1024  # more than thousands of receivers need; reading a device would not end


def load(
    explicit: str | None,
    kinds: Sequence[type[Receiver]],
    vendors: Mapping[str, AccountVendor],
    environ: Mapping[str, str] = os.environ,  # noqa: TID251 - this is the reader
) -> Config:
    """The configuration of `--config FILE`, else $BATCH_TRACKER_CONFIG, else the system's file, else the defaults.

    `kinds` are the kinds of receivers that there are, `vendors` the vendors by their names. `tracker.daemon.load_configuration`
    calls this with all of them.
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
    config = _build_config(source, values, errors, environ, (kinds, vendors))
    _raise_errors(source, text, errors)
    return config


def storage_section(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Storage:  # noqa: TID251 - this is the reader
    """Where the database is. It reads no secret but that of a URL. Raises `ConfigError`."""
    source = _find_file(explicit, environ)
    text = "" if source is None else _read_file(source)
    errors: list[str] = []
    storage = read_storage(_parse(source, text).get("storage", {}), errors, environ)
    _raise_errors(source, text, errors)
    return storage


def results_access(explicit: str | None, environ: Mapping[str, str] = os.environ) -> ResultsAccess:  # noqa: TID251 - as above
    """What it says of results and prices. It reads no secret and leaves mistakes elsewhere to `load`. Raises `ConfigError`."""
    source = _find_file(explicit, environ)
    text = "" if source is None else _read_file(source)
    values, errors = _parse(source, text), list[str]()
    accounts = [each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict)]
    found = ResultsAccess(
        results=read_results(values.get("results", {}), errors, environ),
        prices=read_prices(values, errors),
        excluded=frozenset(str(each.get("name")) for each in accounts if each.get("results") is False),
        spool=read_storage(values.get("storage", {}), errors, environ).spool,
        providers=_providers(accounts),
    )
    _raise_errors(source, text, errors)
    return found


def receiver_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the receivers. It reads no secret and leaves all other mistakes to `load`."""
    return [*receiver_kinds(explicit, environ)]


def receiver_kinds(explicit: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """The kinds of the receivers by their names, likewise; one without a kind has an empty one."""
    source = _find_file(explicit, environ)
    values = {} if source is None else _parse(source, _read_file(source))
    tables = [each for _, each in toml_table.tables(values, "receivers", []) if isinstance(each, dict)]
    return {each["name"]: str(each.get("kind", "")) for each in tables if isinstance(each.get("name"), str)}


def account_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the accounts, likewise."""
    return list(account_providers(explicit, environ))


def account_providers(explicit: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """The vendor of each account by its name, likewise."""
    source = _find_file(explicit, environ)
    values = {} if source is None else _parse(source, _read_file(source))
    return _providers(each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict))


def account_failed_shares(
    explicit: str | None,
    environ: Mapping[str, str] = os.environ,  # noqa: TID251 - as above
) -> dict[str, float | None]:
    """The `failed_share` of each account that has one, by the account's name, likewise; None stands for "off"."""
    source = _find_file(explicit, environ)
    values = {} if source is None else _parse(source, _read_file(source))
    accounts = [each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict)]
    shares = {str(each.get("name")): each.get("failed_share") for each in accounts}
    return {name: None if share == "off" else share for name, share in shares.items() if share == "off" or _is_share(share)}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _providers(accounts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    named = [each for each in accounts if isinstance(each.get("name"), str)]
    return {each["name"]: named_provider(each.get("provider")) for each in named} or {DEFAULT_ACCOUNT: MISTRAL}


def raise_mistakes(config: Config, mistakes: list[str]) -> None:
    """Raises `ConfigError` if there are any: what is found wrong with a configuration after it was loaded, with its lines."""
    source = Path(config.source) if config.source else None
    _raise_errors(source, "" if source is None else _read_file(source), mistakes)


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
    known: tuple[Sequence[type[Receiver]], Mapping[str, AccountVendor]],
) -> Config:
    kinds, vendors = known
    Table(values, "", errors, _SECTIONS)
    errors += certificates.environment_mistakes(environ)
    storage = read_storage(values.get("storage", {}), errors, environ)
    http = read_http(values.get("http", {}), errors, environ)
    metrics = Table(values.get("metrics", {}), "metrics", errors, MetricsConfig.__struct_fields__)
    accounts, receivers = read_accounts(values, errors, environ, vendors), read_receivers(values, errors, environ, kinds)
    network = Table(values.get("network", {}), "network", errors, ("use_environment_proxies",))
    return Config(
        source=None if source is None else str(source),
        storage=storage,
        http=http,
        metrics=MetricsConfig(metrics.get("max_job_series", toml_table.integer(0, 100_000), MetricsConfig().max_job_series)),
        telemetry=read_telemetry(values.get("telemetry", {}), errors, environ),
        results=read_results(values.get("results", {}), errors, environ),
        prices=read_prices(values, errors),
        proxies=read_proxies(environ, errors)
        if network.get("use_environment_proxies", toml_table.boolean, default=False)
        else None,
        accounts=accounts,
        receivers=receivers,
        maintenance=read_maintenance(
            values, errors, [each.name for each in accounts], {each.name: each.kind for each in receivers}
        ),
    )
