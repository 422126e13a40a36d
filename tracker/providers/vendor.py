"""Owns the Vendor: what the product has to know of a vendor's batch API. `vendor_registry` has all of them."""

from collections.abc import Callable, Mapping
from typing import Any

from tracker.config.model import BEARER_HEADER, AccountVendor
from tracker.core.ports.provider import Capabilities, Provider
from tracker.core.ports.results import ResultSource
from tracker.providers.requests.authorized_requests import AuthorizedRequests


def id_in_data(data: Mapping[str, Any]) -> str | None:
    """The `id`, in which most vendors' webhooks name the job."""
    found = data.get("id")
    return found if isinstance(found, str) else None


class Vendor(AccountVendor, frozen=True, kw_only=True):
    """A vendor. `open_jobs` and `open_files` make what uses an account's requests; neither sends one.

    `fixed_headers` go with each request beside the `key_header`.
    `webhook_job_id` gives the job that a verified webhook is about, by its `data`; None if it is about none.
    """

    capabilities: Capabilities
    open_jobs: Callable[[AuthorizedRequests], Provider]
    open_files: Callable[[AuthorizedRequests], ResultSource]
    fixed_headers: Mapping[str, str] = {}
    webhook_job_id: Callable[[Mapping[str, Any]], str | None] = id_in_data

    def key_headers(self, api_key: str) -> Mapping[str, str]:
        """The headers of each request with the API key, "" where the account's own headers hold it."""
        if not api_key:
            return self.fixed_headers
        return {self.key_header: f"Bearer {api_key}" if self.key_header == BEARER_HEADER else api_key, **self.fixed_headers}
