"""Owns the short form of a job's ID: its beginning, which tells jobs apart and which commands accept in place of the whole."""

import re
from typing import Final

_TELLING: Final = 8
"""Characters behind a prefix that all of a vendor's IDs have, such as "batch_", "msgbatch_" or "batches/"."""

_PREFIX: Final = re.compile(r"(?:[A-Za-z]+[_/])?")


def short_id(job_id: str) -> str:
    """The beginning of the ID: the vendor's prefix, if it has one, and eight characters."""
    prefix = _PREFIX.match(job_id)
    return job_id[: (prefix.end() if prefix else 0) + _TELLING]
