"""Owns the filter pills of a page: links that filter its list, with the count of each."""

from typing import NamedTuple

from tracker.web.pages.rendering.status_labels import StatusLabel


class Pill(NamedTuple):
    """A link that filters the page; `key` is its text if it has no label."""

    key: str
    href: str
    chosen: bool
    number: int | None = None
    label: StatusLabel | None = None
