"""Owns rows of replicas and leases, as a `Reader` of PostgreSQL gives them."""

AT = "2025-06-25T14:20:10.000Z"
HOSTILE = 'c <script>alert(1)</script>\n::error::"forged"'


def replica(name, *, live=True, accounts=1, receivers=1, **other):
    row = {"name": name, "instance": f"instance-of-{name}", "version": "1.0.0", "url": f"http://{name}.example:9471/"}
    times = {"joined_at": AT, "renewed_at": AT, "expires_at": AT}
    return row | times | {"live": live, "accounts": accounts, "receivers": receivers} | other


def lease(kind, name, holder, *, epoch=7):
    since = AT if holder else None
    report = {"canary": "report"} if holder else None
    return {"kind": kind, "name": name, "holder": holder, "epoch": epoch, "since": since, "expires_at": since, "report": report}


def replace_rows(monkeypatch, reader_class, replicas, leases):
    """Let every reader of the class give these rows."""

    async def give_replicas(_):
        return replicas

    async def give_leases(_):
        return leases

    monkeypatch.setattr(reader_class, "replicas", give_replicas)
    monkeypatch.setattr(reader_class, "leases", give_leases)
