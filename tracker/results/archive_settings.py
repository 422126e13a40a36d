"""Owns the settings for archiving the results of one account."""

import msgspec

from tracker.core.results.cost import Price


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes.

    A file over `max_file` is not archived. Where the archive is written, at least `min_free` bytes stay free. `samples`: a
    digest keeps original messages of failed requests.
    """

    max_file: int = 20 * 1000**3
    min_free: int = 1000**3
    compress: bool = True
    samples: bool = True
    prices: tuple[Price, ...] = ()
