"""Owns the Silence: what is not delivered from one moment to another, who asked for it, and how it is asked for."""

from collections.abc import Iterable
from math import inf
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tracker.core.deliveries.fan_out import Match

LONGEST: Final = 366 * 86_400
"""Seconds; there is no silence without an end."""

MOST_OPEN: Final = 200
"""Silences that are not over, those that begin later included: each event is compared with all of them."""

Author = Annotated[str, Meta(min_length=1, max_length=100)]
SilenceState = Literal["scheduled", "active", "ended"]
Glob = Annotated[str, Meta(min_length=1, max_length=256)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Moment = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]  # up to the year 9999
AnyMoment = Annotated[float, Meta(ge=0, lt=253_402_300_800_000)]  # as JSON has it, where 5.0 is a whole number too
Seconds = Annotated[float, Meta(gt=0, le=LONGEST)]


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is silenced: globs, all of which must match; an empty scope matches every event to every receiver.

    One of `events` must match the type, one of `receivers` the receiver (or the one that a `receiver.*` event is about). An
    event that lacks what `match` asks for is not silenced: an account's event has no model, a receiver's has no account.
    `webhooks`: also what goes to webhooks, which programs read.
    """

    account: Glob | None = None
    model: Glob | None = None
    endpoint: Glob | None = None
    metadata: Annotated[dict[str, Glob], Meta(max_length=20)] = {}
    events: Annotated[tuple[Glob, ...], Meta(max_length=50)] = ()
    receivers: Annotated[tuple[Glob, ...], Meta(max_length=50)] = ()
    webhooks: bool = False

    @property
    def match(self) -> Match:
        """The globs over the account and the job."""
        return Match(account=self.account, model=self.model, endpoint=self.endpoint, metadata=self.metadata)

    def words(self) -> str:
        """The scope in one line: account prod, model mistral-*, event batch.failed, to ops; everything but webhooks."""
        parts = [f"{name} {glob}" for name, glob in self._globs() if glob]
        parts += [f"{name}={glob}" for name, glob in sorted(self.metadata.items())]
        parts += [f"event {' or '.join(self.events)}"] if self.events else []
        parts += [f"to {' or '.join(self.receivers)}"] if self.receivers else []
        if not parts:
            return "everything" if self.webhooks else "everything but webhooks"
        return ", ".join(parts) + (", webhooks too" if self.webhooks else "")

    def _globs(self) -> Iterable[tuple[str, str | None]]:
        return ("account", self.account), ("model", self.model), ("endpoint", self.endpoint)


class SilenceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A silence as it is asked for: `seconds` long, or `until` a moment (Unix milliseconds), from now or `starts_at` on.

    `created_by` says who asks for it.
    """

    scope: Scope
    reason: Reason
    seconds: Seconds | None = None
    until: AnyMoment | None = None
    starts_at: AnyMoment | None = None
    created_by: Author | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What matches `scope` is not delivered from `starts_at` until `ends_at` (Unix milliseconds), unless it ends earlier.

    `window` is the maintenance window of the configuration that it belongs to. `started_at` and `ended_at` are when its start
    and its end were logged; None before. `unplanned`: it ended since the configuration had its window no more.
    """

    id: str
    scope: Scope
    reason: str
    starts_at: int
    ends_at: int
    created_at: int
    created_by: str
    window: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    unplanned: bool = False

    @property
    def planned_id(self) -> str:
        """What all silences of one window at one time have in common."""
        return silence_id(self.window, self.scope, self.starts_at, self.ends_at)

    def is_active(self, now: int) -> bool:
        """Whether it silences at `now`: one that has begun goes on, also where the clock is set back before its start."""
        return self.ended_at is None and (self.started_at is not None or self.starts_at <= now) and now < self.ends_at

    def is_due(self, now: int) -> bool:
        """Whether its start or its end is to be logged at `now`."""
        return self.ended_at is None and (now >= self.ends_at or (self.started_at is None and self.is_active(now)))

    def state(self, now: int) -> SilenceState:
        """Whether it is still to begin, in force, or over."""
        if self.ended_at is not None or now >= self.ends_at:
            return "ended"
        return "active" if self.is_active(now) else "scheduled"


def requested_silence(request: SilenceRequest, now: int, way: str) -> Silence:
    """The silence that `request` asks for at `now`; `way` is how, where it does not say who asks.

    Raises `ValueError` if it has no length or two, is too long, or is over.
    """
    if (request.seconds is None) == (request.until is None):
        found = "neither" if request.seconds is None else "both"
        raise ValueError(f"found {found} of seconds, until, expected exactly one of them")
    created_by = request.created_by or way
    starts_at = now if request.starts_at is None else max(round(request.starts_at), now)
    ends_at = starts_at + round((request.seconds or 0) * 1000) if request.until is None else round(request.until)
    if ends_at <= starts_at:
        raise ValueError("expected an end after its start and after now")
    if starts_at - now > LONGEST * 1000 or ends_at - starts_at > LONGEST * 1000:
        raise ValueError("expected a silence of at most 366 days that begins within 366 days")
    return Silence(
        id=silence_id(request.scope, request.reason, starts_at, ends_at, now, created_by),
        scope=request.scope,
        reason=request.reason,
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=now,
        created_by=created_by,
    )


class SilenceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A silence, and how many deliveries it keeps, or kept when it ended."""

    silence: Silence
    silenced: int


class AddedSilence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence that was made, and how many pending deliveries it has silenced."""

    silence: Silence
    silenced: int


def silence_id(*parts: object) -> str:
    """The id of a silence: a hash of what makes it, so that two processes give one silence the same id."""
    from hashlib import blake2b  # noqa: PLC0415 - what only reads hashes nothing, and OpenSSL takes long to load

    return "sil_" + blake2b(msgspec.json.encode(parts, order="sorted"), digest_size=10).hexdigest()


def unplanned_windows(silences: Iterable[Silence], windows: Iterable[Silence]) -> list[Silence]:
    """Those of `silences` that belong to a maintenance window, and are none of `windows`."""
    planned = {each.planned_id for each in windows}
    return [each for each in silences if each.window is not None and each.planned_id not in planned]


def windows_to_add(windows: Iterable[Silence], kept: Iterable[Silence]) -> list[Silence]:
    """Those of `windows` that are not among `kept`, the silences that the store has.

    One that ended since the configuration lacked its window for a while begins once more, as another silence: what the first
    one has kept was reported at its end. One that was lifted stays over.
    """
    last = {each.planned_id: each for each in sorted(kept, key=_ended_last)}
    return [silence for window in windows for silence in _to_add(window, last.get(window.planned_id))]


def _ended_last(silence: Silence) -> float:
    return inf if silence.ended_at is None else silence.ended_at


def _to_add(window: Silence, last: Silence | None) -> list[Silence]:
    if last is None:
        return [window]
    if last.ended_at is None or not last.unplanned:
        return []
    return [msgspec.structs.replace(window, id=silence_id(window.id, last.ended_at))]
