"""A reader of the stream that continues where it stopped: it loses no event and counts none twice, however it ends.

    TRACKER_URL=http://127.0.0.1:9471 python follow.py

It needs only Python. The work for an event and the position in the log commit in one transaction.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.request

URL = os.environ.get("TRACKER_URL", "http://127.0.0.1:9471")
TOKEN = os.environ.get("TRACKER_TOKEN")  # [http] token, if there is one
STATE = os.environ.get("STATE", "follow.db")
SILENCE = 60  # seconds; the stream sends a comment every 15


def handle(database, event):
    """Your work, within the transaction. This one counts the events of each type."""
    database.execute("INSERT INTO counts VALUES (?, 1) ON CONFLICT (type) DO UPDATE SET events = events + 1", (event["type"],))


def opened():
    database = sqlite3.connect(STATE, isolation_level=None)
    database.executescript(
        """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS place (seq INTEGER);
        CREATE TABLE IF NOT EXISTS counts (type TEXT PRIMARY KEY, events INTEGER);
        INSERT INTO place SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM place);"""
    )
    return database


def events(after):
    """Yield the name and the data of each event after `after`, as it is logged; end with the connection."""
    headers = {"accept": "text/event-stream", "last-event-id": str(after)}
    if TOKEN:
        headers["authorization"] = f"Bearer {TOKEN}"
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/api/stream", headers=headers), timeout=SILENCE) as stream:
        kind, data = "", []
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif not line.strip() and data:  # an empty line completes an event
                yield kind, json.loads("\n".join(data))
                kind, data = "", []


def follow(database):
    (after,) = database.execute("SELECT seq FROM place").fetchone()
    for kind, event in events(after):
        if kind == "reset":  # the log was restored from a backup and ends earlier: what it logs from there on is new
            database.execute("UPDATE place SET seq = ?", (event["last_seq"],))
            print(f"the log ends at {event['last_seq']}, not at {after}: it was replaced", file=sys.stderr, flush=True)
            continue
        database.execute("BEGIN IMMEDIATE")
        handle(database, event)
        database.execute("UPDATE place SET seq = ?", (event["seq"],))
        database.execute("COMMIT")
        print(event["seq"], event["type"], event["data"].get("id", ""), flush=True)


if __name__ == "__main__":
    database, wait = opened(), 1
    while True:
        began = time.monotonic()
        try:
            follow(database)
        except (OSError, ValueError) as error:  # the daemon restarts, or disconnected a slow reader: reconnect
            print(f"the stream ended: {error}", file=sys.stderr)
        wait = 1 if time.monotonic() - began > SILENCE else min(wait * 2, 30)
        time.sleep(wait)
