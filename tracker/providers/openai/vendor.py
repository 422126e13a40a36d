"""Owns the description of OpenAI's API."""

from typing import Final

from tracker.providers.openai.files_api import OpenAIFiles
from tracker.providers.openai.jobs_api import BASE_URL, CAPABILITIES, OpenAIBatches
from tracker.providers.vendor import Vendor

OPENAI: Final = Vendor(
    name="openai",
    title="OpenAI",
    base_url=BASE_URL,
    key_variable="OPENAI_API_KEY",
    own_key_headers=("api-key", "authorization"),
    capabilities=CAPABILITIES,
    open_jobs=OpenAIBatches,
    open_files=OpenAIFiles,
)
