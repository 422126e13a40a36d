"""Owns a job's title: the name that its submitter gave it in the metadata, for people who do not know its ID."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracker.core.text.one_line import one_line, truncate

MOST_PARTS: Final = 3
LONGEST_PART: Final = 48
LONGEST_TITLE: Final = 96
"""Characters."""

_KNOWN: Final = (
    *("name", "job_name", "batch_name", "display_name", "title", "label", "description"),
    *("task", "job", "experiment", "pipeline", "dataset", "purpose", "project", "team", "owner", "user"),
)
"""Properties whose value is clear without its name, the clearest first."""

_SETTINGS: Final = frozenset({"timeout_hours"})
_UNREADABLE: Final = re.compile(r"[0-9a-f-]{24,}", re.IGNORECASE)
"""A UUID or a hash, which helps no more than the job's own ID."""


def job_title(job: Mapping[str, Any]) -> str:
    """The title of `job` (its JSON), one printable line: "nightly evaluation · research"; empty without meaningful metadata."""
    metadata = job.get("metadata")
    parts = sorted(_parts(metadata)) if isinstance(metadata, dict) else []
    return truncate(" · ".join(part for _, _, part in parts[:MOST_PARTS]), LONGEST_TITLE)


def _parts(metadata: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Rank, position and text of each value that is meaningful."""
    for place, (name, value) in enumerate(metadata.items()):
        if isinstance(value, bool) or not isinstance(value, str | int | float) or name in _SETTINGS:
            continue
        text, plain_name = one_line(str(value), LONGEST_PART), name.lower().replace("-", "_").replace(" ", "_")
        if not text or _UNREADABLE.fullmatch(text):
            continue
        is_known = plain_name in _KNOWN
        says_enough = is_known and not text.isdecimal()
        named = text if says_enough else one_line(f"{name}: {text}", LONGEST_PART)
        yield _KNOWN.index(plain_name) if is_known else len(_KNOWN), place, named
