"""Owns the catalog of faults: every kind with its meaning, how an order is read, and which request, job or minute it strikes.

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
"""The API refuses; nothing is carried out."""

CONNECTION_FAULTS: Final = {
    "hang": "no answer for as long as the client waits",
    "reset": "the connection is reset",
}
"""Nothing is carried out, and there is no answer."""

READ_FAULTS: Final = {
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
    "ignored-page": "the list's first 20 jobs for every page",
    "wrong-total": "`total` ends with a full page, though more follows",
}
"""The answer to a read is spoiled."""

JOB_FAULTS: Final = {
    "poisoned": "a list page that has the job and a get of it answer 500",
    "poisoned-list": "a list page that has the job answers 500",
    "poisoned-get": "a get of the job answers 500",
    "falling-total": "its `total_requests` falls and its model becomes null",
    "withdrawn": "its cancellation is requested and withdrawn",
    "late-output": "for 2 seconds a SUCCESS has no files and short counters",
    "missing-counter": "one counter is null, one absent; `created_at` is N.0",
    "every-failure": "its failed requests fail in every documented way",
    "stuck-pending": "it stays queued until its time-out",
}
"""Something is wrong with the job, for as long as it exists."""

DOWNLOAD_FAULTS: Final = {
    "download-cut": "the connection closes halfway; all was announced",
    "download-cut-chunked": "the same, without Content-Length",
    "download-short": "it ends halfway as if whole, without Content-Length",
    "download-slow": "1 KiB every 0.2 seconds",
    "download-403": "it is refused, as by missing permissions",
    "download-404": "it is not found",
    "download-500": "an error as JSON",
    "download-503": "unavailable, Retry-After in seconds",
}
"""The download of a file goes wrong: a share of them by chance, or each one of a job's result files."""

FILE_FAULTS: Final = {
    "file-gone": "its result files are gone at once, as if deleted",
    "file-expires": "its result files are gone after 5 seconds",
    "file-forbidden": "its result files are refused with 403",
    "file-wrong-bytes": "`bytes` of its result files is 7 too many",
    "file-wrong-lines": "`num_lines` of its result files is 1 too many",
    "file-unmeasured": "`bytes` and `num_lines` of its result files are null",
    "file-truncated": "its result files end amid the last line",
}
"""Something is wrong with the result files of a job, for as long as it exists."""

TIME_FAULTS: Final = {"same-second": "all jobs of a minute are created in its first second"}
"""The jobs of a minute have something in common."""

VENDOR_FAULTS: Final = {
    "empty-files": 'the id of a file that it has not is "" (openai)',
    "null-counts": "its counts are null or absent (openai, anthropic, gemini)",
    "null-times": "its times but created_at and expires_at are null (openai)",
    "unknown-status": "it runs with an unknown status (anthropic, gemini)",
    "mixed-end": "some of its requests are canceled, some expired (anthropic)",
    "archived": "its results are gone 2 seconds after its end (anthropic)",
    "foreign-results": "its `results_url` leads to another host (anthropic)",
    "bare-operation": "only the operation says whether it is over (gemini)",
}
"""Something is peculiar about the job, as the vendor's or a compatible gateway's jobs are known to be."""

WEBHOOK_FAULTS: Final = {
    "webhook-lost": "the webhook of its end is not sent",
    "webhook-twice": "it is sent twice",
    "webhook-early": "it is sent 3 seconds before the end",
    "webhook-forged": "it is signed with another secret",
}
"""Something is wrong with the webhook of the job's end (openai, gemini)."""

GATEWAY_FAULTS: Final = {
    "no-paging": "the whole list for every page, without `has_more`",
    "no-has-more": "pages without `has_more`",
    "counted-pages": "`after` is a number of entries, not an ID (llm-d)",
    "bare-list": "the whole list as a JSON list, without an object around it",
}
"""A gateway that is compatible with OpenAI lacks a part of its lists."""

REQUEST_FAULTS: Final = REFUSALS | CONNECTION_FAULTS | READ_FAULTS
"""Of requests."""

CHANCE_FAULTS: Final = REQUEST_FAULTS | DOWNLOAD_FAULTS | GATEWAY_FAULTS
"""Those that are drawn for each request."""

PLAN_FAULTS: Final = JOB_FAULTS | FILE_FAULTS | VENDOR_FAULTS | WEBHOOK_FAULTS
"""Those that strike a job for good."""

ALL: Final[Mapping[str, str]] = CHANCE_FAULTS | PLAN_FAULTS | TIME_FAULTS

PERSISTENT_FAULTS: Final = ("401", "402", "lagging", "no-jobs", "ignored-page", "wrong-total")
"""The kinds of requests that say something about the account or the API, not about one request."""

TRANSIENT_FAULTS: Final = tuple(kind for kind in REQUEST_FAULTS if kind not in PERSISTENT_FAULTS)
"""The kinds that pass, and that a workspace in good order meets sooner or later."""


class Fault(NamedTuple):
    """One request (or job, or minute) in 1 / `probability` is spoiled in the way `kind`.

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
    """Read KIND:P or KIND:P@FROM-TO; `any:P` shares P out among `TRANSIENT_FAULTS`.

    Raises ValueError that says what is expected.
    """
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
    if not 0 <= since < until or (kind != "any" and kind not in CHANCE_FAULTS):
        raise ValueError(f"found {span!r} in {text!r}, expected FROM-TO in seconds, FROM below TO, and a fault of requests")
    return _faults(kind, probability, since, until)


def _faults(kind: str, probability: float, since: float, until: float) -> list[Fault]:
    kinds = TRANSIENT_FAULTS if kind == "any" else (kind,)
    return [Fault(each, probability / len(kinds), since, until) for each in kinds]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


class Faults:
    """Draws for each request whether it is spoiled, and how. Faults of jobs and of creation times are drawn elsewhere."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        """Raises ValueError if the probabilities sum up to more than 1 at any time."""
        self._faults = tuple(fault for fault in faults if fault.kind in CHANCE_FAULTS)
        self.random = Random(seed)  # noqa: S311 - it has to be repeatable
        total = max((sum(each.probability for each in self._at(fault.since)) for fault in self._faults), default=0.0)
        if total > 1 + 1e-9:
            raise ValueError(f"the shares P of all faults of requests and downloads sum up to {total:g}, expected at most 1")

    def draw(self, *, reading: bool, after: float = 0.0) -> str | None:
        """The kind of fault that spoils the next request, `after` seconds from the first one; None if it is honest."""
        chance = self.random.random()
        for fault in self._at(after):
            if chance < fault.probability:
                return fault.kind if reading or fault.kind not in READ_FAULTS else None
            chance -= fault.probability
        return None

    def _at(self, after: float) -> list[Fault]:
        return [fault for fault in self._faults if fault.since <= after < fault.until]
