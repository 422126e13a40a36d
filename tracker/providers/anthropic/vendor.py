"""Owns the description of Anthropic's API."""

from typing import Final

from tracker.providers.anthropic.files_api import BASE_URL, AnthropicResults
from tracker.providers.anthropic.job_mapping import NAME
from tracker.providers.anthropic.jobs_api import CAPABILITIES, AnthropicBatches
from tracker.providers.vendor import Vendor

ANTHROPIC: Final = Vendor(
    name=NAME,
    title="Anthropic",
    base_url=BASE_URL,
    key_variable="ANTHROPIC_API_KEY",
    key_header="x-api-key",
    fixed_headers={"anthropic-version": "2023-06-01"},
    capabilities=CAPABILITIES,
    open_jobs=AnthropicBatches,
    open_files=AnthropicResults,
)
