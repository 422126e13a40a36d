"""Owns the description of the Gemini Developer API."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.providers.gemini.files_api import GeminiFiles
from tracker.providers.gemini.job_mapping import NAME
from tracker.providers.gemini.jobs_api import BATCHES, CAPABILITIES, GeminiBatches
from tracker.providers.vendor import Vendor


def webhook_job_id(data: Mapping[str, Any]) -> str | None:
    """The name of the batch in the data of a webhook: its `name` or its `id`, with "batches/" or without."""
    found = data.get("name") or data.get("id")
    return None if not isinstance(found, str) or not found else BATCHES + found.removeprefix(BATCHES)


GEMINI: Final = Vendor(
    name=NAME,
    title="Gemini",
    base_url="https://generativelanguage.googleapis.com",
    key_variable="GEMINI_API_KEY",
    key_header="x-goog-api-key",
    capabilities=CAPABILITIES,
    open_jobs=GeminiBatches,
    open_files=GeminiFiles,
    webhook_job_id=webhook_job_id,
)
