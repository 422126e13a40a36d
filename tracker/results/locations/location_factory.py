"""Owns choosing a place for archived files by the configured path or URL."""

from pathlib import Path
from typing import Final

from tracker.results.locations.local_directory import SCHEME, LocalDirectory
from tracker.results.locations.location import Location, LocationError

OBJECT_STORES: Final = ("s3://", "gs://", "az://")

_EXTRA: Final = "needs the extra object-store: pip install 'batch-tracker[object-store]'"


def open_location(archive: str, spool: Path) -> Location:
    """The place that `archive` names: an absolute path, or the URL of an object store, whose uploads wait in `spool`.

    Raises `LocationError`.
    """
    if not archive.startswith(OBJECT_STORES):
        return LocalDirectory(Path(archive.removeprefix(SCHEME)))
    try:
        from tracker.results.locations.object_store import ObjectStore  # noqa: PLC0415 - only with the extra
    except ImportError as error:
        raise LocationError(f"{archive}: {_EXTRA}") from error
    return ObjectStore(archive, spool)
