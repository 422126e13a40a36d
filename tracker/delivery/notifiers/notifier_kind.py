"""Owns the NotifierKind: its configuration and factory, and the dependencies of a notifier."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tracker.config.model import Receiver
from tracker.config.secrets.credentials import Credentials
from tracker.core.ports.job_messages import JobMessages
from tracker.core.ports.notifier import Notifier
from tracker.http.client import HttpClient, Permit
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat

R = TypeVar("R", bound=Receiver)


@dataclass(frozen=True, kw_only=True)
class NotifierDependencies:
    """What a notifier may use. `credentials` has the receiver's secrets as they are now, by their keys.

    `now` gives Unix milliseconds; `external_url` is where the pages are that messages link to.
    """

    http: HttpClient
    credentials: Credentials
    rate_limiter: RateLimiter
    job_messages: JobMessages
    now: Callable[[], int]
    external_url: str | None = None
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    permit: Permit | None = None


@dataclass(frozen=True, kw_only=True)
class NotifierKind(Generic[R]):
    """One kind of notifier: `receiver` is its configuration, `create` makes the notifier of one receiver.

    Where more than `largest_without_digest` deliveries have gathered, they go out as one message; 0 stands for never.
    """

    receiver: type[R]
    create: Callable[[R, NotifierDependencies], Notifier]
    messages_per_second: float = math.inf
    largest_without_digest: int = 0
