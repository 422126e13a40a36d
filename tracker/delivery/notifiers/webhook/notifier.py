"""Owns the webhook: one event as a signed POST, by Standard Webhooks 1.0.0."""

from collections.abc import Callable, Sequence
from typing import Final

from tracker.core.deliveries.delivery import Delivery, Outcome
from tracker.core.deliveries.signing import SigningKey, signature_headers
from tracker.delivery.notifiers.http_outcome import outcome_of, shown
from tracker.delivery.notifiers.webhook.formats import Content, unchanged
from tracker.delivery.notifiers.webhook.response_directives import ResponseDirectives
from tracker.http.client import HttpClient, Request

BODY_LIMIT: Final = 64 * 1024
"""Bytes of an answer that are read at most; of a 2xx nothing depends on them: its head is success."""


class Webhook:
    """The `Notifier` of one URL. Every attempt has the same id and the same bytes, and the time of the attempt."""

    def __init__(
        self,
        http: HttpClient,
        url: str,
        keys: Sequence[SigningKey],
        *,
        timeout: float,
        now: Callable[[], int],
        content: Callable[[bytes], Content] = unchanged,
    ) -> None:
        """Each of `keys` signs; `timeout` (seconds) spans the whole exchange; `now` gives Unix milliseconds.

        `content` makes what is sent of the event's JSON.
        """
        self._http = http
        self._url = url
        self._keys = keys
        self._timeout = timeout
        self._now = now
        self._directives = ResponseDirectives(lambda text: shown(text, url, http.identity.secrets()))
        self._content = content

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        (delivery,) = deliveries
        body, headers = self._content(delivery.body.encode())
        signed = signature_headers(self._keys, delivery.event_id, self._now() // 1000, body)
        answer = await self._http.send(
            Request(
                method="POST",
                url=self._url,
                headers={**headers, **signed},
                content=body,
                deadline=self._timeout,
                body_limit=BODY_LIMIT,
                body_needed=False,
            )
        )
        outcome = outcome_of(answer, self._now(), self._url, self._http.identity.secrets())
        return self._directives.apply(outcome, answer, delivery.receiver)
