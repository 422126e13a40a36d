"""Owns what a kind of notifier is made of, and what each notifier depends on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracker.config.model import Receiver
from tracker.config.secrets_in_use import Credentials
from tracker.core.ports.cards import Cards
from tracker.core.ports.notifier import Notifier
from tracker.http.client import HttpClient
from tracker.http.rate_limiter import RateLimiter

R = TypeVar("R", bound=Receiver)


@dataclass(frozen=True, kw_only=True)
class NotifierDependencies:
    """What a notifier may use. `credentials` has the receiver's secrets as they are now, by their keys.

    `now` gives Unix milliseconds; `external_url` is where the pages are that messages link to.
    """

    http: HttpClient
    credentials: Credentials
    rate_limiter: RateLimiter
    cards: Cards
    now: Callable[[], int]
    external_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotifierKind(Generic[R]):
    """One kind of notifier: `receiver` is its configuration, `create` makes the notifier of one receiver.

    Where more than `largest_without_digest` deliveries have gathered, they go out as one message; 0 stands for never.
    """

    receiver: type[R]
    create: Callable[[R, NotifierDependencies], Notifier]
    messages_per_second: float = math.inf
    largest_without_digest: int = 0
