"""Owns loading the configuration, from TOML to a frozen `Config`. It and `partial_loading` alone read the environment."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tracker.config import certificates
from tracker.config.model import AccountVendor, Config, MetricsConfig, Receiver, ResultsAccess
from tracker.config.partial_loading import providers_of
from tracker.config.proxies import read_proxies
from tracker.config.sections.accounts import has_default_key, read_accounts
from tracker.config.sections.http_section import read_http
from tracker.config.sections.maintenance_windows import read_maintenance
from tracker.config.sections.receivers import read_receivers
from tracker.config.sections.results import read_prices, read_results
from tracker.config.sections.storage_section import read_storage
from tracker.config.sections.telemetry_section import read_telemetry
from tracker.config.source import find_file, no_file_error, parse, raise_errors, read_file
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import Table

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
    source = find_file(explicit, environ)
    if source is None and not has_default_key(environ):
        raise no_file_error()
    text = "" if source is None else read_file(source)
    values = parse(source, text)
    errors: list[str] = []
    config = _build_config(source, values, errors, environ, (kinds, vendors))
    raise_errors(source, text, errors)
    return config


def results_access(explicit: str | None, environ: Mapping[str, str] = os.environ) -> ResultsAccess:  # noqa: TID251 - as above
    """What it says of results and prices. It reads no secret and leaves mistakes elsewhere to `load`. Raises `ConfigError`."""
    source = find_file(explicit, environ)
    text = "" if source is None else read_file(source)
    values, errors = parse(source, text), list[str]()
    accounts = [each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict)]
    found = ResultsAccess(
        results=read_results(values.get("results", {}), errors, environ),
        prices=read_prices(values, errors),
        excluded=frozenset(str(each.get("name")) for each in accounts if each.get("results") is False),
        spool=read_storage(values.get("storage", {}), errors, environ).spool,
        providers=providers_of(accounts),
    )
    raise_errors(source, text, errors)
    return found


def raise_mistakes(config: Config, mistakes: list[str]) -> None:
    """Raises `ConfigError` if there are any: what is found wrong with a configuration after it was loaded, with its lines."""
    source = Path(config.source) if config.source else None
    raise_errors(source, "" if source is None else read_file(source), mistakes)


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
