"""Owns the webhook: one event as a signed POST, by Standard Webhooks 1.0.0."""

from collections.abc import Callable, Sequence
from typing import Final

from tracker.core.deliveries.delivery import Delivery, Outcome
from tracker.core.deliveries.signing import SigningKey, signature_headers
from tracker.delivery.notifiers.http_outcome import outcome_of
from tracker.http.client import HttpClient, Request

BODY_LIMIT: Final = 64 * 1024
"""Bytes of an answer that are read at most; of a 2xx nothing depends on them: its head is success."""

_HEADERS: Final = {"content-type": "application/json"}


class Webhook:
    """The `Notifier` of one URL. Every attempt has the same id and the same bytes, and the time of the attempt."""

    def __init__(
        self, http: HttpClient, url: str, keys: Sequence[SigningKey], *, timeout: float, now: Callable[[], int]
    ) -> None:
        """Each of `keys` signs; `timeout` (seconds) spans the whole exchange; `now` gives Unix milliseconds."""
        self._http = http
        self._url = url
        self._keys = keys
        self._timeout = timeout
        self._now = now

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        (delivery,) = deliveries
        body = delivery.body.encode()
        signed = signature_headers(self._keys, delivery.event_id, self._now() // 1000, body)
        answer = await self._http.send(
            Request(
                method="POST",
                url=self._url,
                headers={**_HEADERS, **signed},
                content=body,
                deadline=self._timeout,
                body_limit=BODY_LIMIT,
                body_needed=False,
            )
        )
        return outcome_of(answer, self._now(), self._url, self._http.identity.secrets())
