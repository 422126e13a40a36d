"""Owns the links between pages: the current query with some parameters changed."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams


def link(path: str, query: QueryParams, **changed: object) -> str:
    """`path` with `query`, in which each of `changed` has its new value or values, or is removed (None)."""
    kept = [(name, value) for name, value in query.multi_items() if value and name not in changed]
    for name, value in changed.items():
        values = value if isinstance(value, tuple | list) else () if value is None else (value,)
        kept += [(name, str(each)) for each in values]
    return f"{path}?{urlencode(kept)}" if kept else path


def build_query(**values: str | Sequence[str] | None) -> str:
    """The query of those parameters that have values."""
    return urlencode({name: value for name, value in values.items() if value}, doseq=True)


def job_file_path(account: str, job_id: str, kind: str) -> str:
    """The path of the content of an archived file."""
    return f"/api/jobs/{quote(job_id, safe='')}/files/{kind}?{urlencode({'account': account})}"
