"""Owns which events are rare: all but those of the types that nearly every job has.

Each engine keeps the rare ones also in the table `rare_events`, by type, so that a page of them passes over nothing else.
Triggers fill it, so that a program of the schema before, which works on beside this one on PostgreSQL, does so too.
"""

from typing import Final

from tracker.core.queries.filters import EventFilter

FREQUENT_TYPES: Final = frozenset({"batch.created", "batch.started", "batch.progress", "batch.completed"})
"""As the triggers have them: another list needs a migration."""

_MOST_TYPES: Final = 64
"""Of one page: each is a part of its statement."""


def rare_types(filters: EventFilter) -> list[str]:
    """The types that the filter asks for, if all of them are rare; none if it asks for others, or for the events of a job."""
    wanted = filters.matching_types() if filters.job is None else None
    return [] if wanted is None or wanted & FREQUENT_TYPES or len(wanted) > _MOST_TYPES else sorted(wanted)
