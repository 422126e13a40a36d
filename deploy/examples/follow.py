"""A reader of the stream that goes on where it stopped: nothing is lost and nothing counted twice, however it ends.

    TRACKER_URL=http://127.0.0.1:9471 python follow.py

It needs nothing but Python. What an event does and the place up to which the log was read are one transaction.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.request

URL = os.environ.get("TRACKER_URL", "http://127.0.0.1:9471")
TOKEN = os.environ.get("TRACKER_TOKEN")  # [http] token, where there is one
STATE = os.environ.get("STATE", "follow.db")
SILENCE = 60  # seconds; the stream says something every 15


def handle(database, event):
    """Your work, within the transaction: here, how many events of each type there were."""
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
    """The names and the data of events after that seq, as they are logged; ends with the connection."""
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
            elif not line.strip() and data:  # an event is whole with the empty line behind it
                yield kind, json.loads("\n".join(data))
                kind, data = "", []


def follow(database):
    (after,) = database.execute("SELECT seq FROM place").fetchone()
    for kind, event in events(after):
        if kind == "reset":  # the log is an older one, restored from a backup: what it logs from here on is new
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
        except (OSError, ValueError) as error:  # the daemon restarts, or cut off a slow reader: come again
            print(f"the stream ended: {error}", file=sys.stderr)
        wait = 1 if time.monotonic() - began > SILENCE else min(wait * 2, 30)
        time.sleep(wait)
