"""Owns the form of OpenAI's IDs: "batch_…" and "file-…", each with the digits of the UUID that the workspace has."""

from typing import Final
from uuid import UUID

BATCH: Final = "batch_"
FILE: Final = "file-"


def shown(prefix: str, id_: str) -> str:
    """The ID as the API shows it; `id_` is a UUID."""
    return prefix + id_.replace("-", "")


def parsed(prefix: str, text: str) -> str | None:
    """The UUID that an ID stands for; None for what is no ID with this prefix."""
    digits = text.removeprefix(prefix)
    try:
        return str(UUID(digits)) if text.startswith(prefix) and digits == UUID(digits).hex else None
    except ValueError:
        return None
