"""Owns what holds of a database whatever has happened to it, found in the file by words of its own."""

import json
import sqlite3
from contextlib import closing

from tracker.store.database_file_commands import verify
from tracker.store.records.stored_events import StoredEvent

ROWS = """SELECT event.seq, event.backfilled, event.id, event.account, event.observed_at, event.body, base.body
FROM events AS event LEFT JOIN events AS base ON base.seq = event.base ORDER BY event.seq"""
DELIVERIES = "SELECT receiver, seq, state FROM deliveries"


class Log:
    """The log and its deliveries as another connection reads them; sound, or building it fails."""

    def __init__(self, database):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "damaged"
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], "dangling"
            rows = connection.execute(ROWS).fetchall()
            deliveries = connection.execute(DELIVERIES).fetchall()
        self._read(rows, deliveries)
        self._agrees_with_jobs(verify(database).differences)

    def _read(self, rows, deliveries):
        assert [seq for seq, *_ in rows] == list(range(1, len(rows) + 1)), "a gap in the log"
        whole = [StoredEvent(seq, *stored).whole() for seq, _, *stored in rows]
        self.bodies = {id_: body.encode() for id_, body in whole}
        self.events = [json.loads(body) for _, body in whole]
        self.delivered = [event for event, (_, backfilled, *_) in zip(self.events, rows, strict=True) if not backfilled]
        self.states = {(receiver, seq): state for receiver, seq, state in deliveries}

    def _agrees_with_jobs(self, differences):
        assert differences == (), f"the jobs are not what the log says: {differences[:3]}"

    def has_a_delivery_for_each(self, *recorders):
        """Each event and receiver that it is for have one, and there is no other."""
        owed = {(recorder.name, event["seq"]) for event in self.delivered for recorder in recorders if recorder.wants(event)}
        missing = owed - self.states.keys()
        types = {self.events[seq - 1]["type"] for _, seq in missing}
        assert self.states.keys() == owed, f"missing {missing}, {types}, too many {self.states.keys() - owed}"

    def has_all_that_was_received(self, *recorders):
        """What a receiver got is in the log, to the byte."""
        for recorder in recorders:
            for id_, body in recorder.got:
                assert self.bodies.get(id_) == body, f"{recorder.name} was sent what the log has not: {id_}"

    def goes_on_from(self, earlier):
        """What could be read at an earlier time is still there, and the same."""
        assert self.events[: len(earlier.events)] == earlier.events, "what was in the log is gone"

    def was_received(self, *recorders, last):
        """Everything up to the seq `last` arrived where it was to go, unless it was superseded; each job's events in order."""
        for recorder in recorders:
            received = set(recorder.ids)
            for event in self.delivered:
                if event["seq"] <= last and recorder.wants(event) and event["id"] not in received:
                    state = self.states[recorder.name, event["seq"]]
                    assert (event["type"], state) == ("batch.progress", "superseded"), (
                        f"{recorder.name} lacks {event['seq']}, {event['type']}"
                    )
            _in_order(recorder)

    def pending(self):
        return [key for key, state in self.states.items() if state == "pending"]

    def is_delivered_to(self, last):
        """Whether no delivery of an event up to the seq `last` is pending."""
        return not any(seq <= last for _, seq in self.pending())


def _in_order(recorder):
    firsts, last = {}, {}
    for id_, body in recorder.got:
        firsts.setdefault(id_, json.loads(body))
    for event in firsts.values():
        stream = _stream(event)
        assert last.get(stream, 0) < event["seq"], f"{recorder.name}: {event['id']} came late"
        last[stream] = event["seq"]


def _stream(event):
    """What order is kept within: a job, and else an account, a receiver or a replica."""
    subject = event["type"].partition(".")[0]
    return event["data"].get("id") or (subject, event["data"].get(subject, event["account"]))
