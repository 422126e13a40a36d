"""Owns the notifier of a service of Apprise: one message for an event or for a burst of them."""

from collections.abc import Sequence

from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.events.message_text import MessageText, message_text
from tracker.delivery.notifiers.apprise import library, service_url
from tracker.delivery.notifiers.apprise.attempt_thread import AttemptThreads
from tracker.delivery.notifiers.apprise.library import Service
from tracker.delivery.notifiers.apprise.outcome import outcome_of
from tracker.delivery.notifiers.event_of_delivery import event_of
from tracker.delivery.notifiers.http_outcome import parts_of
from tracker.delivery.notifiers.requested_pause import pause_as_asked
from tracker.delivery.notifiers.templates.message_template import as_message
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import Permit
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat


class AppriseService:
    """The `Notifier` of one service.

    Apprise blocks, so each attempt is in a thread; what it has not done within `timeout` counts as failed, and may still
    arrive. A service object is used by one thread at a time, and by no other after one that does not end.
    """

    def __init__(
        self,
        url: str,
        *,
        rate_limiter: RateLimiter,
        timeout: float,
        heartbeat: Heartbeat,
        permit: Permit | None = None,
        wording: Wording | None = None,
    ) -> None:
        """`timeout` (seconds) is for the whole attempt."""
        self._url = url
        self._rate_limiter = rate_limiter
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._permit = permit or (lambda: None)
        self._wording = wording or Wording()
        self._threads = AttemptThreads()
        self._secrets = [url, *parts_of(url), *service_url.secret_parts(url)]
        self._idle: list[Service] = []

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        text = self._text(deliveries)
        await self._rate_limiter.acquire()
        self._permit()
        with self._heartbeat.waiting(self._timeout + 1):
            outcome = await self._threads.run(lambda: self._notify(text), self._timeout)
        late = Outcome(result=Result.NETWORK, detail=f"not sent within {self._timeout:g} s; it may still arrive")
        return pause_as_asked(self._rate_limiter, outcome or late)

    def _text(self, deliveries: Sequence[Delivery]) -> MessageText:
        events = [event_of(delivery) for delivery in deliveries]
        standard, text = message_text(events, self._wording.external_url), self._wording.rendered(events)
        return standard if text is None else as_message(text, standard)

    def _notify(self, text: MessageText) -> Outcome:
        """One attempt, in its thread."""
        service = self._idle.pop() if self._idle else self._open()
        delivered, log = library.send(service, text)
        self._idle.append(service)
        return outcome_of(log, self._secrets, delivered=delivered)

    def _open(self) -> Service:
        """The service, which waits for answers as long as an attempt may take, and cuts what is too long for it."""
        service = service_url.checked_service(self._url)
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout
        library.cut_what_is_too_long(service)
        return service
