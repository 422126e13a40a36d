"""Owns how long leases last, and how often they are renewed."""

from typing import Final

import msgspec


class LeaseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. A lease is valid for `valid` after it was renewed, by the server's clock, and is renewed every `renew`.

    Its holder stops `safety` before that, counted from when it sent the renewal. A renewal without an answer within `answer`
    has failed, and is tried again after up to `retry`.
    """

    valid: float = 15.0
    renew: float = 5.0
    safety: float = 1.0
    answer: float = 4.0
    retry: float = 1.0

    @property
    def seen(self) -> float:
        """For how long a replica must be seen not to renew before it may be taken for lost, whatever the clocks say.

        A live replica has renewed within it, also right after an outage of the database or a jump of the server's clock.
        """
        return 2 * self.renew


DEFAULT_LEASE_TIMES: Final = LeaseTimes()
