"""What no replica works on, by the leases that there are and the configuration."""

import pytest
from cluster_rows import replica

from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease, receiver_lease
from tracker.core.replicas.unheld_leases import are_enough_held, find_unheld, unheld_sentences

HELD = [("maintenance", "log", "a"), ("account", "one", "a"), ("account", "two", "b"), ("receiver", "one", "b")]


def leases(*rows):
    return [{"kind": kind, "name": name, "holder": holder} for kind, name, holder in rows]


@pytest.mark.parametrize(
    ("rows", "unheld"),
    [
        (HELD, []),
        ([*HELD, ("account", "removed", None)], []),
        (HELD[1:], [MAINTENANCE_LEASE]),
        ([*HELD[:2], ("account", "two", None), HELD[3]], [account_lease("two")]),
        (HELD[:3], [receiver_lease("one")]),
        ([], [MAINTENANCE_LEASE, account_lease("one"), account_lease("two"), receiver_lease("one")]),
    ],
    ids=["all held", "what is not configured", "maintenance", "without a holder", "an account of the same name", "none"],
)
def test_unheld_is_what_is_configured_and_has_no_holder(rows, unheld):
    """Each account, each receiver and the maintenance needs a holder; what the configuration lacks needs none."""
    assert find_unheld(leases(*rows), ["one", "two"], ["one"]) == unheld


def test_sentences_name_a_few_and_count_the_rest():
    """One sentence for each kind, so that a cluster without replicas has three warnings, not thousands."""
    accounts = [account_lease(f"account-{number}") for number in range(3000)]
    assert unheld_sentences([]) == []
    assert unheld_sentences([MAINTENANCE_LEASE, *accounts, receiver_lease("team")]) == [
        "no replica maintains the log: nothing old is removed from it",
        "no replica works on 3,000 accounts (account-0, account-1, account-2, …): their jobs are not watched",
        "no replica works on receiver team: it gets no events",
    ]
    (sentence,) = unheld_sentences(accounts[:2])
    assert sentence == "no replica works on 2 accounts (account-0, account-1): their jobs are not watched"


@pytest.mark.parametrize(
    ("replicas", "enough"),
    [
        ([replica("a", accounts=2, receivers=1)], True),
        ([replica("a", accounts=1, receivers=1), replica("b", accounts=1, receivers=0)], True),
        ([replica("a", accounts=1, receivers=2)], False),
        ([replica("a", accounts=2, receivers=0)], False),
        ([replica("a", accounts=1, receivers=1), replica("b", accounts=1, receivers=0, live=False)], False),
        ([], False),
    ],
)
def test_counts_of_replicas_tell_whether_all_is_held(replicas, enough):
    """Only live replicas count, and accounts and receivers are counted apart."""
    assert are_enough_held(replicas, ["one", "two"], ["team"]) is enough
