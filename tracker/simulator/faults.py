"""Owns the faults to order: the kinds of requests, jobs and seconds that go wrong, how often, and when.

A fault of requests strikes a share of all requests, each by chance. A fault of jobs strikes a share of all jobs for good, and
one of seconds a share of all minutes: which ones follows from the job or the minute alone.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from math import inf
from random import Random
from typing import Final, NamedTuple

REFUSALS: Final = {
    "429": "rate limited, Retry-After in seconds",
    "429-date": "rate limited, Retry-After as a date",
    "429-bare": "rate limited, without Retry-After",
    "500": "an error as JSON",
    "503": "an error without a body",
    "html": "a gateway's page, status 502",
    "401": "the key is refused",
    "402": "batch is not enabled",
}
"""The API says no; nothing is carried out."""

SILENCES: Final = {
    "hang": "no answer for as long as the client waits",
    "reset": "the connection is reset",
}
"""Nothing is carried out, and nothing is said."""

LIES: Final = {
    "truncated": "half of the JSON",
    "malformed": "JSON of another shape",
    "bad-job": "one job without a status",
    "cut": "the connection closes in the middle of the answer",
    "drip": "a byte at a time",
    "stale": "what was true a while ago",
    "shift": "the pages are one job further, or one behind",
    "vanish": "one job is missing from the list, or not found",
    "lagging": "what was true 3 seconds ago, as a replica has it",
    "no-jobs": "lists are empty and jobs not found: another workspace's key",
    "ignored-page": "the list's first 20 jobs, whatever page is asked for",
    "wrong-total": "`total` ends with a full page, though more follows",
}
"""The answer to a read is spoilt."""

JOB_FAULTS: Final = {
    "poisoned": "a list page that has the job and a get of it answer 500",
    "poisoned-list": "a list page that has the job answers 500",
    "poisoned-get": "a get of the job answers 500",
    "falling-total": "its `total_requests` falls and its model becomes null",
    "withdrawn": "its cancellation is requested and withdrawn",
    "late-output": "for 2 seconds a SUCCESS has no files and short counters",
    "missing-counter": "one counter is null, one absent; `created_at` is N.0",
}
"""Something is wrong with the job, for as long as it exists."""

TIME_FAULTS: Final = {"same-second": "all jobs of a minute are created in its first second"}
"""The jobs of a minute have something in common."""

KINDS: Final = REFUSALS | SILENCES | LIES
"""Of requests."""

ALL: Final[Mapping[str, str]] = KINDS | JOB_FAULTS | TIME_FAULTS

LASTING: Final = ("401", "402", "lagging", "no-jobs", "ignored-page", "wrong-total")
"""The kinds of requests that say something about the account or the API, not about one request."""

ANY: Final = tuple(kind for kind in KINDS if kind not in LASTING)
"""The kinds that pass, and that a workspace in good order meets sooner or later."""


class Fault(NamedTuple):
    """One request (or job, or minute) in 1 / `probability` is spoilt in the way `kind`.

    One of requests strikes from `since` on and before `until`, both in seconds after the first request.
    """

    kind: str
    probability: float
    since: float = 0.0
    until: float = inf

    def chooses(self, what: str) -> bool:
        """Whether it strikes `what`, a job's ID or the number of a minute; always the same answer."""
        digest = blake2b(f"{self.kind} {what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.probability * 2**64


def parse(text: str) -> list[Fault]:
    """Read KIND:P or KIND:P@FROM-TO; `any:P` shares P out among all of `ANY`. Raises ValueError that says what is expected."""
    kind, _, rest = text.partition(":")
    share, at, span = rest.partition("@")
    probability = _number(share)
    if not 0 <= probability <= 1:
        raise ValueError(f"found {share!r} in {text!r}, expected KIND:P with a probability P from 0 to 1")
    if kind != "any" and kind not in ALL:
        raise ValueError(f"found {kind!r}, expected any or one of {', '.join(ALL)}")
    if not at:
        return _faults(kind, probability, 0.0, inf)
    since, until = map(_number, (span.partition("-")[0], span.partition("-")[2]))
    if not 0 <= since < until or (kind != "any" and kind not in KINDS):
        raise ValueError(f"found {span!r} in {text!r}, expected FROM-TO in seconds, FROM below TO, and a fault of requests")
    return _faults(kind, probability, since, until)


def _faults(kind: str, probability: float, since: float, until: float) -> list[Fault]:
    kinds = ANY if kind == "any" else (kind,)
    return [Fault(each, probability / len(kinds), since, until) for each in kinds]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


class Faults:
    """Draws for each request whether it is spoilt, and how; faults of jobs and of seconds are not its business."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        """Raises ValueError where the probabilities sum up to more than 1 at any time."""
        self._faults = tuple(fault for fault in faults if fault.kind in KINDS)
        self.random = Random(seed)  # noqa: S311 - it has to be repeatable
        if any(sum(each.probability for each in self._at(fault.since)) > 1 + 1e-9 for fault in self._faults):
            raise ValueError("the probabilities of all faults of requests sum up to more than 1")

    def draw(self, *, reading: bool, after: float = 0.0) -> str | None:
        """The kind of fault that spoils the next request, `after` so many seconds; None where it is answered honestly."""
        chance = self.random.random()
        for fault in self._at(after):
            if chance < fault.probability:
                return fault.kind if reading or fault.kind not in LIES else None
            chance -= fault.probability
        return None

    def _at(self, after: float) -> list[Fault]:
        return [fault for fault in self._faults if fault.since <= after < fault.until]
