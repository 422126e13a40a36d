"""Where a replica says to others that it answers."""

import socket

import pytest

from tracker.config import Config, Http, Listen, Secret, Storage
from tracker.daemon.database_address import address_of_replica
from tracker.daemon.startup import ignore_secrets

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there


@pytest.mark.parametrize(
    ("listen", "page"),
    [
        ([(EVERYWHERE, 9471)], "http://berlin-1:9471/base/"),
        ([("127.0.0.1", 9471), ("10.0.0.1", 80)], "http://10.0.0.1:80/base/"),
        ([("127.0.0.1", 9471)], "http://127.0.0.1:9471/base/"),
        ([("2001:db8::1", 9471)], "http://[2001:db8::1]:9471/base/"),
        ([("127.0.0.1", 0)], None),
    ],
)
def test_page_of_a_replica(monkeypatch, listen, page):
    """It is the first address that other machines may reach, with the name of the host where it listens everywhere."""
    monkeypatch.setattr(socket, "gethostname", lambda: "berlin-1")
    http = Http(listen=tuple(Listen(*each) for each in listen), base_path="/base")
    storage = Storage(None, url=Secret("postgresql://db/t"), replica="a")
    config = Config(source=None, storage=storage, http=http, accounts=(), receivers=())
    assert address_of_replica(config, ignore_secrets).page == page
