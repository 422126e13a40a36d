"""Owns the second attempt after a refusal, if the URL, token or key in its file has been replaced since."""

from collections.abc import Callable, Sequence
from typing import Final

from tracker.config.secrets.credentials import Credentials
from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.ports.notifier import Notifier

_REFUSED: Final = (Result.REFUSED, Result.GONE)
"""Possible answers to an old token, a signature with an old key, and an old URL."""


class RenewingNotifier:
    """Delegates to the `Notifier` that `make` makes of the current credentials."""

    def __init__(self, make: Callable[[], Notifier], credentials: Credentials) -> None:
        self._make = make
        self._credentials = credentials
        self._generation = credentials.generation
        self._notifier = make()

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        used = self._generation
        outcome = await self._notifier.send(deliveries)
        if outcome.aborts or outcome.result not in _REFUSED or not await self._credentials.renewed(used):
            return outcome
        if self._generation != self._credentials.generation:
            self._generation, self._notifier = self._credentials.generation, self._make()
        return await self._notifier.send(deliveries)
