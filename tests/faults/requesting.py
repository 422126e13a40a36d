"""Owns requests that no client would send, drawn by chance from what each part of one may be."""

import random

METHODS = ["GET"] * 8 + ["POST"] * 6 + ["HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "get", "G\0T", "QUERY", "X" * 300]
PATHS = [
    "/", "/events", "/receivers", "/receivers/pipeline", "/accounts", "/login", "/logout", "/jobs/x", "/jobs/%00",
    "/jobs/%ED%A0%80", "/metrics", "/readyz", "/api/jobs", "/api/jobs/%2e%2e", "/api/jobs/" + "%F0%9F%98%80" * 50,
    "/api/events", "/api/deliveries", "/api/receivers", "/api/accounts", "/api/openapi.json", "/api/replay",
    "/api/deliveries/pipeline/1/retry", "/api/stream", f"/api/deliveries/pipeline/{10**30}/retry",
    "/api/receivers/pipeline/enable", "/api/receivers/%0d%0ax/enable", "/static/%2e%2e/app.py", "*", "//", "/%", "/%zz",
    "http://[::1", "/\u00ff",
]  # fmt: skip
WRITES = ["/api/replay", "/api/replay", "/api/deliveries/pipeline/1/retry", "/api/receivers/pipeline/enable"]
NAMES = [
    "after", "before", "limit", "status", "type", "job", "account", "model", "endpoint", "active", "since", "until",
    "created_after", "created_before", "receiver", "state", "order", "text", "next", "next_page", "page", "seq", "metadata",
    "%00", "",
]  # fmt: skip
VALUES = [
    "", "0", "-1", str(2**63), str(10**400), "1e999", "nan", "true", "%00", "%ED%A0%80", "%F0%9F%98%80", "[" * 300, "*" * 250,
    "%5B!%5D", "a" * 300, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00%2B23:59", "2025-02-30T25:61:61Z", "eyJhIjoxfQ",
    "////", "W10", "+", "%0d%0a", "'%20OR%201=1--", "%25s", "..%2f..%2f",
]  # fmt: skip
HEADERS = [
    "accept: text/html", "accept: " + "a," * 2000, "cookie: batch_tracker_session=" + "x" * 5000, "cookie: \x00=\xff;;;=",
    "origin: null", "last-event-id: " + "9" * 400, "last-event-id: -1", 'if-none-match: "', "range: bytes=0-,0-,0-,0-",
    "upgrade: websocket", "expect: 100-continue", "authorization: Bearer \xff\x01", "authorization: " + "Bearer " * 500,
    "sec-fetch-site: cross-site", "x" * 9000 + ": y", "content-length: -1", "content-length: 99999999999999999999",
    "content-length: 0x10", "transfer-encoding: chunked", "transfer-encoding: gzip", "host: evil.example",
    "x-forwarded-host: evil.example", "content-encoding: gzip", "connection: upgrade",
]  # fmt: skip
TYPES = [
    "application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "text/plain",
    "multipart/form-data", "",
]  # fmt: skip
BODIES = [
    b"", b"{}", b"null", b"[" * 60_000, b'{"a":' + b"[" * 60_000, b"\0" * 500, b'"\\ud800"',
    b'{"receiver":"\\ud800","dead":true}', b'{"receiver":"pipeline","seq":1e999}',
    b'{"receiver":"pipeline","seq":' + b"9" * 5000 + b"}", b"token=" + b"%00" * 100, b"a&" * 30_000,
    b'{"receiver":"pipeline","from_seq":-1,"to_seq":9223372036854775808}',
    b"\xff\xfe", b'{"receiver":"pipeline","since":"9999-12-31T23:59:59Z","until":1}',
    b"x" * 70_000,
]  # fmt: skip


def request(chance: random.Random, token: str) -> bytes:
    """One that may well be wrong, each part of it in a way of its own; every fourth has some bytes changed on top of that."""
    method, path, type_, is_known = chance.choice(METHODS), chance.choice(PATHS), chance.choice(TYPES), chance.random() < 0.7
    if writes := chance.random() < 0.4:  # so that more gets as far as its body
        method, path, type_, is_known = "POST", chance.choice(WRITES), TYPES[0], True
    query = "&".join(f"{chance.choice(NAMES)}={chance.choice(VALUES)}" for _ in range(chance.choice((0, 0, 1, 2, 5))))
    target = path + (f"?{query}" if query else "")
    body = chance.choice(BODIES) if writes or chance.random() < 0.5 else b""
    headers = ["host: localhost", f"content-length: {len(body)}", f"content-type: {type_}"]
    headers += [f"authorization: Bearer {token}"] * is_known
    headers += [] if writes else chance.sample(HEADERS, chance.choice((0, 0, 1, 1, 2, 4)))
    sent = "\r\n".join((f"{method} {target} HTTP/1.1", *headers, "", "")).encode("latin-1") + body
    if chance.random() < 0.25:
        changed = bytearray(sent)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(min(len(sent), 400))] = chance.randrange(256)
        sent = bytes(changed)
    return sent
