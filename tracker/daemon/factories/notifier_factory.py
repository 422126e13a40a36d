"""The factory of notifiers: it opens what sends to a receiver, by the receiver's kind."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tracker.config import Receiver
from tracker.config.secrets.credentials import Credentials
from tracker.core.ports.job_messages import JobMessages
from tracker.core.ports.notifier import Notifier
from tracker.daemon.factories.network import Network, open_client
from tracker.delivery.notifiers.credential_renewal import RenewingNotifier
from tracker.delivery.notifiers.kind_registry import NOTIFIER_KINDS
from tracker.delivery.notifiers.notifier_kind import NotifierDependencies
from tracker.delivery.notifiers.tracing_header import TracedIdentity, TracedNotifier
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Heartbeat


@asynccontextmanager
async def open_notifier(
    receiver: Receiver,
    network: Network,
    job_messages: JobMessages,
    rate_limiter: RateLimiter | None = None,
    *,
    heartbeat: Heartbeat | None = None,
    now: Callable[[], int] = now,
) -> AsyncIterator[Notifier]:
    """What sends to the receiver, over connections of its own, at the pace of its kind where none is given.

    `now` gives Unix milliseconds.
    """
    kind = NOTIFIER_KINDS[receiver.kind]
    secrets, owner = receiver.secrets_by_key(), {"receiver": receiver.name}
    credentials = Credentials(secrets, receiver.headers, owner=owner, learned=network.learned, parts=receiver.parts_of_url)
    rate_limiter = rate_limiter or message_pace(receiver)
    async with open_client(receiver, network, TracedIdentity(credentials), heartbeat) as http:
        dependencies = NotifierDependencies(
            http=http,
            credentials=credentials,
            rate_limiter=rate_limiter,
            job_messages=job_messages,
            now=now,
            external_url=network.external_url,
            heartbeat=heartbeat or Heartbeat(),
            permit=network.permit,
        )
        yield TracedNotifier(RenewingNotifier(lambda: kind.create(receiver, dependencies), credentials), network.is_sampled)


def message_pace(receiver: Receiver, heartbeat: Heartbeat | None = None) -> RateLimiter:
    """How fast its kind may send messages; `heartbeat` is of the loop that delivers."""
    return RateLimiter(NOTIFIER_KINDS[receiver.kind].messages_per_second, heartbeat)
