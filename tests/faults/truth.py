"""Owns what holds of a database whatever has happened to it, found in the file by words of its own."""

import json
import sqlite3
from contextlib import closing

from tracker.store.file_commands import verify


class Log:
    """The log and its deliveries as another connection reads them; sound, or building it fails."""

    def __init__(self, database):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "damaged"
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], "dangling"
            rows = connection.execute("SELECT seq, id, backfilled, body FROM events ORDER BY seq").fetchall()
            deliveries = connection.execute("SELECT receiver, seq, state FROM deliveries").fetchall()
        assert [seq for seq, *_ in rows] == list(range(1, len(rows) + 1)), "a gap in the log"
        self.bodies = {id_: body.encode() for _, id_, _, body in rows}
        self.events = [json.loads(body) for *_, body in rows]
        self.delivered = [event for event, (_, _, backfilled, _) in zip(self.events, rows, strict=True) if not backfilled]
        self.states = {(receiver, seq): state for receiver, seq, state in deliveries}
        differences = verify(database).differences
        assert differences == (), f"the jobs are not what the log says: {differences[:3]}"

    def has_a_delivery_for_each(self, *keepers):
        """Each event and receiver that it is for have one, and there is no other."""
        owed = {(keeper.name, event["seq"]) for event in self.delivered for keeper in keepers if keeper.wants(event)}
        assert self.states.keys() == owed, f"missing {owed - self.states.keys()}, too many {self.states.keys() - owed}"

    def has_all_that_was_received(self, *keepers):
        """What a receiver got is in the log, to the byte."""
        for keeper in keepers:
            for id_, body in keeper.got:
                assert self.bodies.get(id_) == body, f"{keeper.name} was sent what the log has not: {id_}"

    def goes_on_from(self, earlier):
        """What could be read at an earlier time is still there, and the same."""
        assert self.events[: len(earlier.events)] == earlier.events, "what was in the log is gone"

    def was_received(self, *keepers, last):
        """Everything up to the seq `last` arrived where it was to go, unless it was superseded; each job's events in order."""
        for keeper in keepers:
            received = set(keeper.ids)
            for event in self.delivered:
                if event["seq"] <= last and keeper.wants(event) and event["id"] not in received:
                    state = self.states[keeper.name, event["seq"]]
                    assert (event["type"], state) == ("batch.progress", "superseded"), (
                        f"{keeper.name} lacks {event['seq']}, {event['type']}"
                    )
            _in_order(keeper)

    def pending(self):
        return [key for key, state in self.states.items() if state == "pending"]


def _in_order(keeper):
    firsts, last = {}, {}
    for id_, body in keeper.got:
        firsts.setdefault(id_, json.loads(body))
    for event in firsts.values():
        job = event["data"].get("id")
        assert last.get(job, 0) < event["seq"], f"{keeper.name}: {event['id']} came late"
        last[job] = event["seq"]
