"""Owns reading [[accounts]], each with its vendor, and the default account of $MISTRAL_API_KEY."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.config import certificates, urls
from tracker.config.model import DEFAULT_ACCOUNT, Account, AccountVendor
from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Header, Secret
from tracker.config.sections.headers import read_headers
from tracker.config.sections.storage_section import PROGRESS_EVERY
from tracker.config.sections.webhook_secrets import webhook_secrets
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import Table

_DEFAULT_ACCOUNTS: Final = [{"name": DEFAULT_ACCOUNT, "api_key": {"env": "MISTRAL_API_KEY"}}]
_NO_SECRET: Final = Secret("")


def has_default_key(environ: Mapping[str, str]) -> bool:
    """Whether $MISTRAL_API_KEY gives an account without [[accounts]]."""
    return bool(environ.get("MISTRAL_API_KEY", "").strip())


def read_accounts(
    values: dict[str, Any], errors: list[str], environ: Mapping[str, str], vendors: Mapping[str, AccountVendor]
) -> tuple[Account, ...]:
    """The accounts of the file (`values`); mistakes go to `errors`."""
    if "accounts" not in values and has_default_key(environ):
        values = {"accounts": _DEFAULT_ACCOUNTS}
    if values.get("accounts", []) == []:
        errors.append("accounts: found none, expected at least one [[accounts]], or $MISTRAL_API_KEY instead of them")
    tables = toml_table.tables(values, "accounts", errors)
    accounts = tuple(_account(each, path, errors, environ, vendors) for path, each in tables)
    toml_table.refuse_duplicates("accounts", [account.name for account in accounts], errors)
    return accounts


def _account(
    values: Any, path: str, errors: list[str], environ: Mapping[str, str], vendors: Mapping[str, AccountVendor]
) -> Account:
    keys = (*(key for key in Account.__struct_encode_fields__ if key != "tls"), *certificates.KEYS)
    found = Table(values, path, errors, keys)
    default = Account(name="", api_key=_NO_SECRET)
    vendor = vendors[found.get("provider", toml_table.choice(*vendors), default.provider)]
    taken = {vendor.key_header}.difference(vendor.own_key_headers)
    headers = found.get(
        "headers", lambda each: read_headers(each, f"{path}.headers", errors, environ, taken=taken), default.headers
    )
    return Account(
        name=found.require("name", toml_table.name, "", 'a name, such as "default"'),
        provider=vendor.name,
        api_key=_api_key(found, vendor, headers, environ),
        base_url=found.get("base_url", urls.api_url, vendor.base_url),
        webhook_secrets=found.get("webhook_secret", webhook_secrets(environ), ()),
        poll_interval=found.get("poll_interval", toml_table.duration("50ms", "1d"), default.poll_interval),
        requests_per_second=found.get(
            "requests_per_second", toml_table.number(0.001, 1000, "1.0"), default.requests_per_second
        ),
        backfill=found.get("backfill", toml_table.duration("0s", "3650d"), default.backfill),
        settle_for=found.get("settle_for", toml_table.duration("0s", "1h"), default.settle_for),
        progress_every=found.get("progress_every", PROGRESS_EVERY, default.progress_every),
        request_timeout=found.get("request_timeout", toml_table.duration("50ms", "10m"), default.request_timeout),
        stalled_after=found.get("stalled_after", toml_table.duration("1s", "3650d"), default.stalled_after),
        timeout_hours=found.get("timeout_hours", toml_table.number(0.001, 8784, "24"), default.timeout_hours),
        failed_share=found.get("failed_share", toml_table.share_or_off, default.failed_share),
        unreachable_after=found.get("unreachable_after", toml_table.duration("1s", "3650d"), default.unreachable_after),
        results=found.get("results", toml_table.boolean, default.results),
        pending_limit=found.get("pending_limit", toml_table.integer(1, 10**9), vendor.pending_limit),
        headers=headers,
        tls=certificates.read_tls(found, environ, errors),
    )


def _api_key(found: Table, vendor: AccountVendor, headers: tuple[Header, ...], environ: Mapping[str, str]) -> Secret:
    """The key; an empty one where a header holds it."""
    read = secret_references.secret(environ)
    instead = [each.name for each in headers if each.name in vendor.own_key_headers]
    for each in headers:
        if each.name in vendor.own_key_headers and not each.secret:
            found.errors.append(
                f"{found.path}.headers.{each.name}: found text (not shown), {secret_references.EXPECTED}: it holds the key"
            )
    if not instead:
        return found.require("api_key", read, _NO_SECRET, f'{{ env = "{vendor.key_variable}" }}')
    if "api_key" in found:
        found.add_mistake("api_key", f"found it beside the header `{instead[0]}`, expected one of them: both hold the key")
    return _NO_SECRET
