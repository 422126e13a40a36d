"""Thousands of accounts that come and go at once, as where replicas share them: the work does not grow with their square."""

import sys

from tracker.metrics import Metrics

FEW, MANY = 20, 80


def configure(metrics, accounts):
    metrics.configured(dict.fromkeys(accounts, 1.0), accounts, providers=dict.fromkeys(accounts, "mistral"))
    metrics.vendor_webhooks.configured(accounts)


def calls_of(metrics, accounts):
    """How many functions it calls to have these accounts: a measure of time that no other process disturbs."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        configure(metrics, accounts)
    finally:
        sys.setprofile(None)
    return calls


def calls_for(number):
    """The work of making the series of that many accounts, of setting the same accounts again, and of dropping all but one."""
    metrics, names = Metrics(), [f"account {each}" for each in range(number)]
    return [calls_of(metrics, accounts) for accounts in (names, names, names[:1])]


def test_work_grows_with_the_accounts_and_not_with_their_square():
    """A replica that spends minutes on that can neither renew its leases meanwhile nor end."""
    assert all(more < 1.5 * MANY / FEW * less for less, more in zip(calls_for(FEW), calls_for(MANY), strict=True))


def own_lines(metrics):
    """The exposition without the figures of the process, which change by themselves."""
    return sorted(line for line in metrics.render().splitlines() if b"batchtracker_" in line)


def test_series_of_accounts_that_went_are_gone():
    """What stays keeps all its series, also where its name is a part of one that went; those that went have none."""
    metrics, alone = Metrics(), Metrics()
    configure(metrics, ["stays", 'stays no"t\n', "goes\\"])
    configure(metrics, ["stays"])
    configure(alone, ["stays"])
    assert own_lines(metrics) == own_lines(alone)
