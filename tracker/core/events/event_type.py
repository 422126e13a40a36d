"""Owns the EventType: one row of the table of event types."""

from typing import Literal

import msgspec

from tracker.core.jobs.status import is_terminal

Level = Literal["debug", "info", "warning"]
Tone = Literal["ok", "run", "mute", "warn", "bad"]
Moment = Literal["created_at", "started_at", "completed_at"]


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One type of event.

    `summary` says when it happens, in the JSON Schema and the documents; `sentence` what it means, in a message, with `{name}`
    for the account, receiver or replica that it is about. `icon`, `label` and `tone` are its label on a page, `color` that of
    its line on a terminal, `level` that of its line in the log. A digest counts it as `counted_as`, the lowest `rank` first.
    """

    name: str
    summary: str
    sentence: str
    icon: str
    label: str
    tone: Tone
    color: str
    level: Level
    counted_as: str
    rank: int

    status: str | None = None
    """The status that the job has reached."""

    moment: Moment | None = None
    """The property of the job that says when it happened, by the provider's clock."""

    is_observed: bool = False
    """An observation of the job causes it."""

    is_of_results: bool = False
    """The archive of the job's results brings it; time alone brings what neither an observation nor the archive does."""

    has_changes: bool = False
    """It has `changes`."""

    moves: bool = False
    """A counter or the status of the job has changed."""

    is_default: bool = False
    """A receiver without `events` gets it."""

    is_problem: bool = False
    """Something needs attention."""

    resolves: str | None = None
    """The type whose trouble is over."""

    @property
    def subject(self) -> str:
        """What it is about: "batch", "account", "receiver", "replica" or "silence"."""
        return self.name.partition(".")[0]

    @property
    def ends(self) -> bool:
        """Whether the job has reached its end."""
        return self.status is not None and is_terminal(self.status)
