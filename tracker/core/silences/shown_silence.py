"""Owns a silence as the API and the commands show it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tracker.core.events.event import iso
from tracker.core.silences.silence import AddedSilence, Scope, SilenceState, SilenceStatus


class ShownSilence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence. It begins at `starts_at` and ends at `ends_at`; `started_at` and `ended_at` are when that was logged."""

    id: str
    object: Literal["silence"] = "silence"
    state: SilenceState
    scope: Scope
    reason: str
    window: Annotated[str | None, Meta(description="The maintenance window of the configuration that it belongs to")]
    created_by: str
    created_at: str
    starts_at: str
    ends_at: str
    started_at: str | None
    ended_at: str | None
    silenced: Annotated[int, Meta(description="The deliveries that it keeps; once it has ended, those that it kept then")]


class SilenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A silence that was made, and how many deliveries that were pending it has silenced."""

    silence: ShownSilence
    pending_silenced: int


class Lifted(msgspec.Struct, frozen=True, kw_only=True):
    """The silence has ended."""

    lifted: bool


def answer_to(added: AddedSilence, now: int) -> SilenceAnswer:
    """The answer to the request at `now`, which also began the silence, unless it begins later."""
    silence = added.silence
    begun = msgspec.structs.replace(silence, started_at=now) if silence.is_active(now) else silence
    status = SilenceStatus(silence=begun, silenced=added.silenced)
    return SilenceAnswer(silence=shown_silence(status, now), pending_silenced=added.silenced)


def shown_silence(status: SilenceStatus, now: int) -> ShownSilence:
    """How the silence stands at `now` (Unix milliseconds)."""
    silence = status.silence
    return ShownSilence(
        id=silence.id,
        state=silence.state(now),
        scope=silence.scope,
        reason=silence.reason,
        window=silence.window,
        created_by=silence.created_by,
        created_at=iso(silence.created_at),
        starts_at=iso(silence.starts_at),
        ends_at=iso(silence.ends_at),
        started_at=None if silence.started_at is None else iso(silence.started_at),
        ended_at=None if silence.ended_at is None else iso(silence.ended_at),
        silenced=status.silenced,
    )
