"""Owns the names of archived files: an account's folder, in it a folder for each job."""

import hashlib
import re
from typing import Final

SUFFIX: Final = ".jsonl"

_HARMLESS: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


def name_of(account: str, job_id: str, file_id: str) -> str:
    """The name of a file without the suffix of its compression, such as "default/JOB/FILE.jsonl": for each file its own."""
    return f"{safe_name(account)}/{safe_name(job_id)}/{safe_name(file_id)}{SUFFIX}"


def safe_name(text: str) -> str:
    """`text` as the name of a file or a folder; in the place of one that is harmful or long, its digest."""
    if _HARMLESS.fullmatch(text):
        return text
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
