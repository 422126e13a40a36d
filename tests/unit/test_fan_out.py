"""Which receivers an event goes to: globs over its type and its job; a receiver gets no event about itself."""

import pytest
from core_samples import ABSENT, NOW, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.fan_out import Match, Subscription, fan_out, stream_of
from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.event_type_table import ACCOUNT_TYPES, BATCH_TYPES, OVERDUE_TYPES, RECEIVER_TYPES, REPLICA_TYPES

ALL_TYPES = (*BATCH_TYPES, *OVERDUE_TYPES, *ACCOUNT_TYPES, *RECEIVER_TYPES, *REPLICA_TYPES)


def of_job(type_="batch.completed", *, account="default", **properties):
    return batch_event(type_, account, job(**properties), {}, NOW)


def of_account(type_="account.unreachable", account="default"):
    return plain_event(type_, account, {"reason": "unauthorised"}, NOW)


def of_receiver(name, type_="receiver.failing"):
    return plain_event(type_, "", {"receiver": name, "reason": "server"}, NOW)


def of_type(type_):
    kind = type_.partition(".")[0]
    return {"batch": of_job, "account": of_account}.get(kind, lambda type_: of_receiver("other", type_))(type_)


def wants(event, *globs, **match):
    return bool(fan_out([Subscription(receiver="r", events=globs or ("*",), match=Match(**match))], event))


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("*",), set(ALL_TYPES)),
        ((), set()),
        (("replica.*",), {*REPLICA_TYPES}),
        (("batch.*",), {*BATCH_TYPES, *OVERDUE_TYPES}),
        (("account.*", "receiver.*"), {*ACCOUNT_TYPES, *RECEIVER_TYPES}),
        (("batch.completed",), {"batch.completed"}),
        (("batch.completed", "batch.c*"), {"batch.created", "batch.cancelling", "batch.completed", "batch.cancelled"}),
        (("*.recovered",), {"account.recovered", "receiver.recovered"}),
        (("batch.cancel[!l]*",), set()),
        (("batch.cancel?d",), set()),
        (("batch.cancelle?",), {"batch.cancelled"}),
        (("batch.[ef]*",), {"batch.failed", "batch.expired"}),
        (("completed", "batch", "BATCH.COMPLETED", "batch.complete", "batch.completed "), set()),
    ],
)
def test_globs_over_types(globs, expected):
    """An event goes where any of the globs matches its whole type, capitals and all."""
    subscription = Subscription(receiver="r", events=globs)
    assert {type_ for type_ in ALL_TYPES if fan_out([subscription], of_type(type_))} == expected


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({}, True),
        ({"account": "default"}, True),
        ({"account": "d*t"}, True),
        ({"account": "other"}, False),
        ({"model": "mistral-small-*"}, True),
        ({"model": "mistral-small"}, False),
        ({"model": "MISTRAL-small-*"}, False),
        ({"endpoint": "/v1/chat/*"}, True),
        ({"endpoint": "/v1/embeddings"}, False),
        ({"metadata": {"team": "re*"}}, True),
        ({"metadata": {"team": "*", "run": "7"}}, True),
        ({"metadata": {"team": "*", "run": "8"}}, False),
        ({"metadata": {"team": "research", "stage": "*"}}, False),
        ({"metadata": {"Team": "research"}}, False),
        ({"model": "mistral-*", "endpoint": "/v1/*", "account": "*", "metadata": {"team": "research"}}, True),
        ({"model": "mistral-*", "endpoint": "/v1/*", "account": "x*", "metadata": {"team": "research"}}, False),
        ({"model": "codestral", "endpoint": "/v1/*", "account": "*", "metadata": {"team": "research"}}, False),
    ],
)
def test_every_glob_of_a_match_must_fit(match, wanted):
    """Account, model, endpoint and metadata: one that does not fit is enough to be left out."""
    assert wants(of_job(), **match) is wanted


@pytest.mark.parametrize(
    ("properties", "match", "wanted"),
    [
        ({"metadata": None}, {"metadata": {"team": "*"}}, False),
        ({"metadata": ABSENT}, {"metadata": {"team": "*"}}, False),
        ({"metadata": None}, {"metadata": {}}, True),
        ({"metadata": {"team": None}}, {"metadata": {"team": "*"}}, False),
        ({"metadata": {"run": 7}}, {"metadata": {"run": "7"}}, True),
        ({"metadata": {"team": ""}}, {"metadata": {"team": "*"}}, True),
        ({"model": None}, {"model": "*"}, False),
        ({"model": None}, {}, True),
        ({"model": ABSENT}, {"model": "*"}, False),
        ({"model": "a[b]c"}, {"model": "a[[]b]c"}, True),
        ({"metadata": "team=research"}, {"metadata": {"team": "*"}}, False),
        ({"metadata": ["team"]}, {"metadata": {"team": "*"}}, False),
    ],
)
def test_job_without_a_property_fits_no_glob_for_it(properties, match, wanted):
    """What a job does not have matches nothing, not even a star; a number is matched as it is written."""
    assert wants(of_job(**properties), **match) is wanted


@pytest.mark.parametrize("type_", [*ACCOUNT_TYPES, *RECEIVER_TYPES, *REPLICA_TYPES])
def test_event_without_a_job_is_asked_for_its_account_alone(type_):
    """A match for some jobs does not keep an account's or a receiver's event from anyone."""
    assert wants(of_type(type_), model="codestral", endpoint="/v1/none", metadata={"team": "none"})


@pytest.mark.parametrize(("glob", "wanted"), [("default", True), ("*", True), ("other", False)])
def test_event_of_an_account_is_for_those_who_watch_it(glob, wanted):
    """`match.account` counts for an account's events too."""
    assert wants(of_account(), account=glob) is wanted


@pytest.mark.parametrize("type_", RECEIVER_TYPES)
def test_no_receiver_is_notified_about_itself(type_):
    """An event about a receiver goes to all other receivers whose filter matches."""
    subscriptions = [Subscription(receiver=name, events=("*",)) for name in ("a", "b", "c")]
    assert [each.receiver for each in fan_out(subscriptions, of_receiver("b", type_))] == ["a", "c"]


def test_job_whose_data_names_a_receiver_is_sent_to_it():
    """Only a receiver's event is about a receiver: a job may have a property of that name."""
    event = of_job(receiver="r")
    assert event.data["receiver"] == "r"
    assert wants(event)


def test_order_is_kept_within_a_job_an_account_or_a_receiver():
    """Each of them is a stream of its own, whatever the type, and no two share one by their names."""
    same_job = {stream_of(of_job(type_)) for type_ in (*BATCH_TYPES, *OVERDUE_TYPES)}
    assert len(same_job) == 1
    assert stream_of(of_account()) == stream_of(of_account("account.recovered"))
    assert stream_of(of_receiver("a")) == stream_of(of_receiver("a", "receiver.recovered"))
    different = [of_job(), of_job(id="other"), of_job(account="a"), of_account(account="a"), of_receiver("a"), of_receiver("b")]
    assert len(set(map(stream_of, different))) == len(different)


@given(st.text() | st.sampled_from(ALL_TYPES), st.sampled_from(ALL_TYPES))
def test_any_glob_decides_and_more_globs_match_no_less(glob, type_):
    """No glob is an error, and one more next to a star changes nothing."""
    event = of_type(type_)
    assert wants(event, glob, "*")
    assert not wants(event, glob) or wants(event, "no.such.type", glob)


@given(st.lists(st.sampled_from("abcdef"), unique=True))
def test_each_receiver_is_notified_once_in_the_order_of_the_configuration(names):
    """Several globs that match make no second delivery."""
    subscriptions = [Subscription(receiver=name, events=("*", "batch.*", "batch.completed"), delay=2.0) for name in names]
    assert fan_out(subscriptions, of_job()) == subscriptions


def test_failing_receiver_is_reported_whatever_the_match():
    """An event about a receiver has no account and no job: a filter for those does not keep it away."""
    event = plain_event("receiver.failing", "", {"receiver": "other", "reason": "server", "detail": "", "since": ""}, 0)
    narrow = Match(account="production", model="codestral-*", metadata={"team": "research"})
    subscription = Subscription(receiver="pipeline", events=("receiver.*",), match=narrow)
    assert fan_out([subscription], event) == [subscription]
