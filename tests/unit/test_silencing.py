"""Which silence, if any, keeps an event from a receiver."""

import msgspec
import pytest
from core_samples import NOW, job

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.event_type_table import RECEIVER_TYPES, TYPES
from tracker.core.silences.scope_mistakes import scope_mistakes
from tracker.core.silences.silence import LONGEST, Scope, SilenceRequest, requested_silence
from tracker.core.silences.silence_events import Missed, ended_event
from tracker.core.silences.silencing import silencing, types_silenced

TEAM = Subscription(receiver="team", events=("*",))
PIPELINE = Subscription(receiver="pipeline", events=("*",), is_webhook=True)
JOB = batch_event("batch.failed", "prod", job(model="mistral-small", endpoint="/v1/ocr", metadata={"team": "eval"}), {}, NOW)
ACCOUNT = plain_event("account.unreachable", "prod", {"account": "prod"}, NOW)
RECEIVER = plain_event("receiver.failing", "", {"receiver": "pipeline"}, NOW)


def silence(seconds=60, starts_at=None, **scope):
    request = SilenceRequest(scope=Scope(**scope), reason="why", seconds=seconds, starts_at=starts_at)
    return requested_silence(request, NOW, "api")


def kept(event, subscription=TEAM, **scope):
    return silencing([silence(**scope)], subscription, event, NOW) is not None


@pytest.mark.parametrize(
    ("scope", "of_job", "of_account", "of_receiver"),
    [
        ({}, True, True, True),
        ({"account": "pr*"}, True, True, False),
        ({"account": "staging"}, False, False, False),
        ({"account": "*"}, True, True, False),
        ({"model": "mistral-*"}, True, False, False),
        ({"model": "mistral-large"}, False, False, False),
        ({"endpoint": "/v1/*", "account": "prod"}, True, False, False),
        ({"metadata": {"team": "e*"}}, True, False, False),
        ({"metadata": {"team": "e*", "other": "*"}}, False, False, False),
        ({"events": ("batch.f*", "account.*")}, True, True, False),
        ({"events": ("receiver.*",)}, False, False, True),
        ({"receivers": ("t*",)}, True, True, True),
        ({"receivers": ("other",)}, False, False, False),
        ({"receivers": ("pipeline",)}, False, False, True),
    ],
)
def test_all_of_a_scope_must_match(scope, of_job, of_account, of_receiver):
    """Each glob narrows it; what lacks what is asked for does not match; a receiver is that of a delivery, or of its event."""
    assert (kept(JOB, **scope), kept(ACCOUNT, **scope), kept(RECEIVER, **scope)) == (of_job, of_account, of_receiver)


def test_webhook_is_silenced_only_if_it_is_asked_for():
    """Programs read webhooks: a silence keeps nothing from them unless it says so."""
    assert not kept(JOB, PIPELINE)
    assert kept(JOB, PIPELINE, webhooks=True)


def test_silence_has_a_beginning_and_an_end():
    """It begins at the first millisecond of its time and ends before the last; none is in force once it was ended."""
    made = silence(seconds=60, starts_at=NOW + 1000)
    moments = (NOW + 999, NOW + 1000, NOW + 60_999, NOW + 61_000)
    assert [silencing([made], TEAM, JOB, at) is made for at in moments] == [False, True, True, False]
    assert [made.state(at) for at in moments] == ["scheduled", "active", "active", "ended"]
    assert silencing([msgspec.structs.replace(made, ended_at=NOW)], TEAM, JOB, NOW + 2000) is None


def test_clock_that_is_set_back_breaks_no_silence():
    """A silence that has begun goes on though the clock shows a time before its beginning; its end stays where it was."""
    begun = msgspec.structs.replace(silence(seconds=60), started_at=NOW)
    assert silencing([begun], TEAM, JOB, NOW - 3_600_000) is begun
    assert begun.state(NOW - 3_600_000) == "active"
    assert silencing([begun], TEAM, JOB, NOW + 60_000) is None


def test_the_one_that_ends_last_keeps_it():
    """Of several silences the last to end has the delivery, so that its digest comes when it is quiet no more."""
    short, long = silence(seconds=60), silence(seconds=90)
    assert silencing([long, short], TEAM, JOB, NOW) is long
    assert silencing([short, long], TEAM, JOB, NOW) is long


def test_silence_keeps_no_event_about_itself():
    """Its digest is delivered, and kept by others alone."""
    made, other = silence(), silence(seconds=90)
    event = ended_event(made, Missed(), NOW)
    assert silencing([made], TEAM, event, NOW) is None
    assert silencing([made, other], TEAM, event, NOW) is other


@pytest.mark.parametrize(
    ("scope", "subscription", "types"),
    [
        (Scope(), TEAM, TYPES),
        (Scope(), PIPELINE, ()),
        (Scope(events=("batch.failed",)), TEAM, ("batch.failed",)),
        (Scope(receivers=("other",)), TEAM, RECEIVER_TYPES),
        (Scope(receivers=("other",), events=("batch.*",)), TEAM, ()),
    ],
)
def test_types_that_a_scope_can_keep(scope, subscription, types):
    """Pending deliveries of other types are not even read."""
    assert types_silenced(scope, subscription) == tuple(types)


@pytest.mark.parametrize(
    "request_",
    [
        {"seconds": 60, "starts_at": NOW + LONGEST * 1000 + 1},
        {"until": NOW},
        {"until": NOW - 1},
        {"until": NOW + LONGEST * 1000 + 1},
        {"until": NOW + 10, "starts_at": NOW + 10},
    ],
)
def test_silence_without_a_length_or_an_end_is_refused(request_):
    """A silence ends after it begins and after now, and is no longer than a year."""
    with pytest.raises(ValueError, match="expected"):
        requested_silence(SilenceRequest(scope=Scope(), reason="why", **request_), NOW, "api")


@pytest.mark.parametrize(
    "given",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": LONGEST + 1},
        {"seconds": 1, "reason": ""},
        {"seconds": 1, "scope": {"modle": "x"}},
        {"seconds": 1, "scope": {"events": [""]}},
    ],
)
def test_request_that_is_none_is_refused(given):
    """A request says how long, why, and nothing that there is not."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"scope": {}, "reason": "why"} | given, SilenceRequest)


@pytest.mark.parametrize("given", [{"seconds": 1.0, "until": 5}, {}, {"until": 5}, {"seconds": 1, "starts_at": 10**14}])
def test_request_without_one_length_is_refused(given):
    """A silence has one end, in time: what a request's form cannot say is said when it is made."""
    request = msgspec.convert({"scope": {}, "reason": "why"} | given, SilenceRequest)
    with pytest.raises(ValueError, match="expected"):
        requested_silence(request, 1_750_000_000_000, "api")


@pytest.mark.parametrize(
    ("scope", "mistakes"),
    [
        (Scope(account="prod", events=("batch.*",), receivers=("te*",)), []),
        (Scope(account="prdo"), ["account: found 'prdo', which matches no account; did you mean 'prod'?"]),
        (
            Scope(events=("batch.fialed",)),
            ["event: found 'batch.fialed', which matches no event type; did you mean 'batch.failed'?"],
        ),
        (Scope(receivers=("taem",)), ["receiver: found 'taem', which matches no receiver; did you mean 'team'?"]),
        (
            Scope(receivers=("pipeline",)),
            ["receiver: found 'pipeline', a webhook, which a program reads; `webhooks` (--webhooks) silences it too"],
        ),
        (Scope(receivers=("pipeline",), webhooks=True), []),
    ],
)
def test_names_that_there_are_not(scope, mistakes):
    """A glob that matches nothing there is would silence nothing, and is a mistake; so is a webhook that would be left out."""
    assert [*scope_mistakes(scope, ["prod"], {"team": "slack", "pipeline": "webhook"})] == mistakes


def test_scope_in_words():
    """What is silenced is said in one line."""
    scope = Scope(account="prod", model="m*", metadata={"team": "eval"}, events=("a", "b"), receivers=("team",), webhooks=True)
    assert scope.words() == "account prod, model m*, team=eval, event a or b, to team, webhooks too"
    assert (Scope().words(), Scope(webhooks=True).words()) == ("everything but webhooks", "everything")
