"""What the server and the deliveries have of the files that may be open."""

import pytest

from tracker.daemon.open_file_limit import WANTED, shares_of
from tracker.delivery.global_concurrency_limit import MAX_ATTEMPTS
from tracker.server.connection_limits import ConnectionLimits


@pytest.mark.parametrize("limit", [WANTED, 65_536, 1_048_576])
def test_with_enough_files_every_share_is_the_usual_one(limit):
    """A usual limit needs no change."""
    assert shares_of(limit) == (ConnectionLimits(), MAX_ATTEMPTS)


@pytest.mark.parametrize("limit", [0, 20, 64, 100, 256, 1024, 2048, WANTED - 1])
def test_all_shares_together_fit_into_the_limit(limit):
    """Connections, those of the reserve, those that wait to be accepted and deliveries leave room for the rest, or are few."""
    limits, attempts = shares_of(limit)
    together = limits.connections + limits.reserved + limits.backlog + attempts
    assert together + 40 <= max(limit, 64)
    assert limits.per_address <= limits.connections
    assert min(limits.connections, limits.reserved, limits.backlog, attempts) >= 4


def test_more_files_never_mean_less():
    """The shares grow with the limit."""
    shares = [shares_of(limit) for limit in range(0, 5000, 50)]
    assert [each.limits.connections for each in shares] == sorted(each.limits.connections for each in shares)
    assert [each.attempts for each in shares] == sorted(each.attempts for each in shares)
