"""The text of a notification: small, and read by replicas of other versions."""

import msgspec

from tracker.daemon.hint_dispatcher import MOST_FORWARDED
from tracker.store.postgres.notification_sender import NotificationSender, Signals, channel, parse_signals


def sent(signals):
    sender = NotificationSender("some_schema")
    return parse_signals(sender.payload(signals)), sender.origin


def test_signals_arrive_as_they_were_sent():
    """What a commit changed arrives, marked with the process that sent it."""
    signals = Signals(log=True, archive=True, leases=True, receivers=["a", "ä\x00"], commands=["b"])
    found, origin = sent(signals)
    assert found == msgspec.structs.replace(signals, sender=origin)


def test_hints_fit_whatever_the_ids():
    """As many as are sent together, of the longest names and ids, are not too long."""
    hints = [(f"{number:064}", f"{number:0200}/{number:0200}") for number in range(MOST_FORWARDED)]
    found, _ = sent(Signals(hints=hints))
    assert (found.hints, found.everything) == (hints, False)
    assert '"h":[["a","b"]]' in NotificationSender("some_schema").payload(Signals(hints=[("a", "b")]))


def test_signals_that_are_too_long_say_that_everything_changed():
    """PostgreSQL refuses a notification of 8,000 bytes: many receivers become all receivers."""
    found, origin = sent(Signals(receivers=[f"receiver {number}" for number in range(1000)]))
    assert found == Signals(everything=True, sender=origin)


def test_what_cannot_be_read_means_everything():
    """A notification of something else on the channel wakes all: that is harmless, and missing one is not."""
    assert parse_signals("") == parse_signals("[1]") == parse_signals('{"log": "yes"}') == Signals(everything=True)


def test_what_a_newer_version_adds_is_ignored():
    """Replicas of two versions run side by side during an upgrade."""
    assert parse_signals('{"log":true,"added":{"later":1}}') == Signals(log=True)


def test_each_schema_has_a_channel_of_its_own():
    """The channel is an identifier whatever the schema's length, and no other schema's."""
    names = [channel(schema) for schema in ("a", "b", "x" * 63)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for name in names)


def test_each_process_knows_its_own_notifications():
    """Two processes of one schema mark theirs differently."""
    assert NotificationSender("a").origin != NotificationSender("a").origin
