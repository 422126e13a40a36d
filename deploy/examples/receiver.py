"""A receiver of webhooks: it verifies each event, stores it once, answers, and works on it afterwards.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_… python receiver.py

An event that was answered with 204 is in the inbox on the disk: a crash of this program loses none.
"""

import json
import os
import queue
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

INBOX = os.environ.get("INBOX", "inbox.db")
HOST, PORT = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
LARGEST = 1024 * 1024

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
arrived: queue.SimpleQueue[None] = queue.SimpleQueue()


def handle(event):
    """Your work. It runs again if this program ends before it returns, so make it repeatable."""
    print(json.dumps([event["id"], event["type"], event["data"].get("id"), event.get("outcome")]), flush=True)


def inbox():
    database = sqlite3.connect(INBOX, timeout=30, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")  # a 204 is a promise
    database.execute("CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, seq INTEGER, body TEXT, done INTEGER DEFAULT 0)")
    database.execute("CREATE INDEX IF NOT EXISTS todo ON inbox (seq) WHERE NOT done")
    return closing(database)


def work():
    with inbox() as database:
        while True:
            for id_, body in database.execute("SELECT id, body FROM inbox WHERE NOT done ORDER BY seq LIMIT 100").fetchall():
                handle(json.loads(body))
                database.execute("UPDATE inbox SET done = 1 WHERE id = ?", (id_,))
            arrived.get()


def work_or_end():
    try:
        work()
    finally:
        os._exit(1)  # a receiver that accepts and never works is worse than one that is restarted


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds until a silent connection is closed

    def do_POST(self):
        length = int(self.headers.get("content-length") or -1)
        if not 0 <= length <= LARGEST:
            self.close_connection = True
            self.answer(413)
            return
        body = self.rfile.read(length)
        try:
            webhook.verify(body, dict(self.headers))
        except (WebhookVerificationError, UnicodeDecodeError):
            self.answer(401)
            return
        event = json.loads(body)
        with inbox() as database:  # an event may come twice, with the same id
            database.execute(
                "INSERT OR IGNORE INTO inbox (id, seq, body) VALUES (?, ?, ?)", (event["id"], event["seq"], body.decode())
            )
        self.answer(204)
        arrived.put(None)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    with inbox():
        pass  # if it cannot be opened, fail before the first request is accepted
    threading.Thread(target=work_or_end, daemon=True).start()
    server = ThreadingHTTPServer((HOST, PORT), Receiver)
    print(f"receiving on http://{HOST}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
