"""What an HTTP status says went wrong, and which failures pass."""

import pytest

from tracker.core.errors.provider_failure import Failure, Reason, reason_of


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "unauthorised"),
        (402, "not_enabled"),
        (403, "unauthorised"),
        (404, "not_found"),
        (408, "server"),
        (429, "rate_limited"),
        (500, "server"),
        (502, "server"),
        (503, "server"),
        (504, "server"),
        (529, "server"),
        (599, "server"),
        (999, "server"),
        (400, "rejected"),
        (405, "rejected"),
        (409, "rejected"),
        (410, "rejected"),
        (418, "rejected"),
        (422, "rejected"),
        (499, "rejected"),
        (201, "rejected"),
        (204, "rejected"),
        (301, "rejected"),
        (304, "rejected"),
        (100, "rejected"),
    ],
)
def test_the_reason_of_a_status(status, reason):
    """Each status other than 200 has one reason out of the closed set; only a 404 says that a job is gone."""
    assert reason_of(status) == reason
    assert isinstance(reason_of(status), Reason)


@pytest.mark.parametrize(
    ("reason", "passing"),
    [
        (Reason.UNAUTHORISED, False),
        (Reason.NOT_ENABLED, False),
        (Reason.NOT_FOUND, False),
        (Reason.RATE_LIMITED, True),
        (Reason.REJECTED, False),
        (Reason.SERVER, True),
        (Reason.NETWORK, True),
        (Reason.MALFORMED, True),
    ],
)
def test_which_failures_pass(reason, passing):
    """The same request may succeed a moment later, or fails until an operator acts."""
    assert Failure(reason, "detail").passing is passing


def test_the_reasons_are_labels():
    """The set is closed and its values are fit for a metric's label, whatever is shown of them."""
    assert [str(reason) for reason in Reason] == [
        "unauthorised",
        "not_enabled",
        "not_found",
        "rate_limited",
        "rejected",
        "server",
        "network",
        "malformed",
        "incomplete",
        "jobs_missing",
    ]


@pytest.mark.parametrize(
    ("failure", "concerns_account", "may_be_one_job"),
    [
        (Failure(Reason.UNAUTHORISED, "", status=401), True, False),
        (Failure(Reason.UNAUTHORISED, "", status=403), False, False),
        (Failure(Reason.NOT_ENABLED, "", status=402), True, False),
        (Failure(Reason.RATE_LIMITED, "", status=429), True, False),
        (Failure(Reason.NETWORK, ""), True, False),
        (Failure(Reason.SERVER, "", status=500), False, True),
        (Failure(Reason.MALFORMED, ""), False, True),
        (Failure(Reason.REJECTED, "", status=422), False, False),
        (Failure(Reason.NOT_FOUND, "", status=404), False, False),
    ],
    ids=lambda value: f"{value.reason} {value.status}" if isinstance(value, Failure) else None,
)
def test_what_a_failure_is_about(failure, concerns_account, may_be_one_job):
    """The key, the plan, the budget and the network are the account's; a 403 or a 500 may be the matter of one job."""
    assert (failure.concerns_account, failure.may_be_one_job) == (concerns_account, may_be_one_job)
