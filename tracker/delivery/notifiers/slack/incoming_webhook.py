"""Owns Slack's incoming webhook: one message for each event or burst, and the request that posts a message."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Delivery, Outcome
from tracker.delivery.notifiers.event_of_delivery import event_of
from tracker.delivery.notifiers.http_outcome import outcome_of
from tracker.delivery.notifiers.requested_pause import pause_as_asked
from tracker.delivery.notifiers.slack.block_limits_and_escaping import Payload
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.link import with_link
from tracker.delivery.notifiers.slack.templated_message import templated
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import HttpClient, Request
from tracker.http.rate_limiter import RateLimiter

BODY_LIMIT: Final = 256 * 1024
"""Bytes of an answer that are read, at most; Slack's answer repeats the message."""

_HEADERS: Final = {"content-type": "application/json; charset=utf-8"}


class SlackWebhook:
    """The `Notifier` of an incoming webhook's secret URL; a burst is one digest.

    Its errors have a status of their own, so the head of a 2xx is success. Slack's API is different: see `SlackBot`.
    """

    def __init__(
        self,
        http: HttpClient,
        url: str,
        *,
        rate_limiter: RateLimiter,
        timeout: float,
        now: Callable[[], int],
        wording: Wording | None = None,
    ) -> None:
        """`timeout` (seconds) is for the whole exchange; `now` gives Unix milliseconds.

        Slack's limit is about one message a second.
        """
        self._http = http
        self._url = url
        self._rate_limiter = rate_limiter
        self._timeout = timeout
        self._now = now
        self._wording = wording or Wording()

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        events = [event_of(delivery) for delivery in deliveries]
        message = templated(self._wording, events) or digest(events, self._wording.external_url)
        payload = with_link(message, events, self._wording.external_url)
        await self._rate_limiter.acquire()
        request = msgspec.structs.replace(post(self._url, payload, self._timeout), body_needed=False)
        answer = await self._http.send(request)
        return pause_as_asked(self._rate_limiter, outcome_of(answer, self._now(), self._url, self._http.identity.secrets()))


def post(url: str, payload: Payload, timeout: float, **headers: str) -> Request:
    return Request(
        method="POST",
        url=url,
        headers=_HEADERS | headers,
        content=msgspec.json.encode(payload),
        deadline=timeout,
        body_limit=BODY_LIMIT,
    )
