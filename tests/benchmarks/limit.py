"""The limit of the machine for a sweep: sockets, msgspec and sqlite3, and nothing between them."""

import socket
import sqlite3
from math import ceil
from urllib.parse import urlsplit

import msgspec
from canned import LIST, PAGE

from tracker.core.jobs.job import Job

SCHEMA = """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT) STRICT;
CREATE TABLE jobs (id TEXT PRIMARY KEY, data TEXT) STRICT, WITHOUT ROWID;"""


class Answer(msgspec.Struct):
    total: int
    data: tuple[Job, ...]


class Limit:
    """It believes whatever it sees, and knows no failures."""

    def __init__(self, url, path):
        self._host = urlsplit(url)
        self._known = {}
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(SCHEMA)
        self._decode = msgspec.json.Decoder(Answer).decode

    def sweep(self, jobs):
        """What is different since the last one, kept on disk."""
        with socket.create_connection((self._host.hostname, self._host.port)) as connection:
            seen = [job for number in range(jobs // PAGE) for job in self._decode(self._get(connection, number)).data]
        changed = [job for job in seen if self._known.get(job.id) != job]
        rows = [(job.id, msgspec.json.encode(job).decode()) for job in changed]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO events (body) VALUES (?)", [row[1:] for row in rows])
        self._connection.executemany("INSERT OR REPLACE INTO jobs VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self._known.update((job.id, job) for job in changed)
        return changed

    def receive(self, jobs):
        """The hash of each page, and nothing else: what a sweep that finds nothing cannot do without."""
        with socket.create_connection((self._host.hostname, self._host.port)) as connection:
            return [hash(bytes(self._get(connection, number))) for number in range(ceil(jobs / PAGE))]

    def _get(self, connection, number):
        connection.sendall(b"GET %s?page=%d HTTP/1.1\r\nhost: x\r\n\r\n" % (LIST.encode(), number))
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += connection.recv(1 << 16)
        head = bytes(received[:end]).lower()
        length = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(received) < length:
            received += connection.recv(1 << 18)
        return received[end + 4 : length]
