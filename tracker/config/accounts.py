"""Owns reading [[accounts]], and the default account of $MISTRAL_API_KEY."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.config import address, certificates, secret_references, toml_table
from tracker.config.headers import read_headers
from tracker.config.model import Account, Secret
from tracker.config.toml_table import Table

DEFAULT_ACCOUNT: Final = "default"
_DEFAULT_ACCOUNTS: Final = [{"name": DEFAULT_ACCOUNT, "api_key": {"env": "MISTRAL_API_KEY"}}]
_NO_SECRET: Final = Secret("")


def has_default_key(environ: Mapping[str, str]) -> bool:
    """Whether $MISTRAL_API_KEY gives an account without [[accounts]]."""
    return bool(environ.get("MISTRAL_API_KEY", "").strip())


def read_accounts(values: dict[str, Any], errors: list[str], environ: Mapping[str, str]) -> tuple[Account, ...]:
    """The accounts of the file (`values`); mistakes go to `errors`."""
    if "accounts" not in values and has_default_key(environ):
        values = {"accounts": _DEFAULT_ACCOUNTS}
    if values.get("accounts", []) == []:
        errors.append("accounts: found none, expected at least one [[accounts]], or $MISTRAL_API_KEY instead of them")
    accounts = tuple(_account(each, path, errors, environ) for path, each in toml_table.tables(values, "accounts", errors))
    toml_table.refuse_duplicates("accounts", [account.name for account in accounts], errors)
    return accounts


def _account(values: Any, path: str, errors: list[str], environ: Mapping[str, str]) -> Account:
    keys = (*(key for key in Account.__struct_fields__ if key != "tls"), *certificates.KEYS)
    found = Table(values, path, errors, keys)
    default = Account(name="", api_key=_NO_SECRET)
    return Account(
        name=found.require("name", toml_table.name, "", 'a name, such as "default"'),
        api_key=found.require("api_key", secret_references.secret(environ), _NO_SECRET, '{ env = "MISTRAL_API_KEY" }'),
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
        headers=found.get("headers", lambda each: read_headers(each, f"{path}.headers", errors, environ, has_key=True), ()),
        tls=certificates.read_tls(found, environ, errors),
    )
