"""Owns what commands need of the configuration without loading all of it: where the database is, names, and shares.

A command that lists something starts sooner: most of the time of loading the configuration goes into what it never uses.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from tracker.config.model import DEFAULT_ACCOUNT, Storage
from tracker.config.sections.storage_section import read_storage
from tracker.config.source import find_file, parse, raise_errors, read_file
from tracker.config.toml import toml_table
from tracker.core.jobs.native import MISTRAL, named_provider


def storage_section(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Storage:  # noqa: TID251 - this is the reader
    """Where the database is. It reads no secret but that of a URL. Raises `ConfigError`."""
    source = find_file(explicit, environ)
    text = "" if source is None else read_file(source)
    errors: list[str] = []
    storage = read_storage(parse(source, text).get("storage", {}), errors, environ)
    raise_errors(source, text, errors)
    return storage


def receiver_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the receivers. It reads no secret and leaves all other mistakes to `load`."""
    return [*receiver_kinds(explicit, environ)]


def receiver_kinds(explicit: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """The kinds of the receivers by their names, likewise; one without a kind has an empty one."""
    source = find_file(explicit, environ)
    values = {} if source is None else parse(source, read_file(source))
    tables = [each for _, each in toml_table.tables(values, "receivers", []) if isinstance(each, dict)]
    return {each["name"]: str(each.get("kind", "")) for each in tables if isinstance(each.get("name"), str)}


def account_names(explicit: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:  # noqa: TID251 - as above
    """The names of the accounts, likewise."""
    return list(account_providers(explicit, environ))


def account_providers(explicit: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """The vendor of each account by its name, likewise."""
    source = find_file(explicit, environ)
    values = {} if source is None else parse(source, read_file(source))
    return providers_of(each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict))


def account_failed_shares(
    explicit: str | None,
    environ: Mapping[str, str] = os.environ,  # noqa: TID251 - as above
) -> dict[str, float | None]:
    """The `failed_share` of each account that has one, by the account's name, likewise; None stands for "off"."""
    source = find_file(explicit, environ)
    values = {} if source is None else parse(source, read_file(source))
    accounts = [each for _, each in toml_table.tables(values, "accounts", []) if isinstance(each, dict)]
    shares = {str(each.get("name")): each.get("failed_share") for each in accounts}
    return {name: None if share == "off" else share for name, share in shares.items() if share == "off" or _is_share(share)}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def providers_of(accounts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The vendor of each of these tables that has a name, by it; of the default account where there is none."""
    named = [each for each in accounts if isinstance(each.get("name"), str)]
    return {each["name"]: named_provider(each.get("provider")) for each in named} or {DEFAULT_ACCOUNT: MISTRAL}
