"""Owns the description of Mistral's API."""

from typing import Final

from tracker.providers.mistral.files_api import MistralFiles
from tracker.providers.mistral.jobs_api import CAPABILITIES, Mistral
from tracker.providers.vendor import Vendor

MISTRAL: Final = Vendor(
    name="mistral",
    title="Mistral",
    base_url="https://api.mistral.ai",
    key_variable="MISTRAL_API_KEY",
    pending_limit=1_000_000,
    capabilities=CAPABILITIES,
    open_jobs=Mistral,
    open_files=MistralFiles,
)
