"""Owns the report of a database server, for who checks a configuration before a daemon runs with it."""

import msgspec


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at an address.

    `version` is the server's. `schema_version` is 0 if there is no schema yet, `newest_version` the one that this program
    makes of it. `missing_rights` are sentences. `notifications_arrive` where replicas listen.
    """

    version: str
    schema_version: int
    newest_version: int
    missing_rights: tuple[str, ...]
    notifications_arrive: bool
