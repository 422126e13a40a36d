"""The notifications for the service manager, received as it receives them."""

import re
import socket
import time
from contextlib import contextmanager

import pytest

from tracker.config.systemd_service import SystemdService, read_service
from tracker.daemon.systemd_socket import Systemd


@contextmanager
def manager(address):
    """A socket that receives datagrams at `address`, and what has come."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(0.0)

        def received():
            messages = []
            while True:
                try:
                    messages.append(receiver.recv(4096).decode())
                except BlockingIOError:
                    return messages

        yield received


@pytest.fixture(params=["path", "abstract"])
def notifying(request, tmp_path):
    """A manager at either kind of address, and the client that notifies it."""
    path = str(tmp_path / "notify") if request.param == "path" else f"@batch-tracker-{tmp_path}"
    with manager(path.replace("@", "\0", 1)) as received:
        yield Systemd(path), received


def test_each_message_is_one_datagram(notifying):
    """READY, STOPPING and WATCHDOG as sd_notify(3) has them."""
    systemd, received = notifying
    systemd.ready()
    systemd.alive()
    systemd.stopping()
    assert received() == ["READY=1", "WATCHDOG=1", "STOPPING=1\nSTATUS=stopping"]


def test_reloading_says_when(notifying):
    """RELOADING comes with the monotonic clock in microseconds, by which systemd knows which READY belongs to it."""
    systemd, received = notifying
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    (message,) = received()
    told_at = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", message)[1])
    assert before <= told_at <= time.monotonic_ns() // 1000


def test_status_is_sent_when_it_changes(notifying):
    """The same status is sent once, and another one again."""
    systemd, received = notifying
    for status in ("1 running", "1 running", "2 running", "1 running"):
        systemd.status(status)
    assert received() == ["STATUS=1 running", "STATUS=2 running", "STATUS=1 running"]


def test_status_cannot_smuggle_a_field(notifying):
    """What is in a status, were it an error's text, stays in it: no line of its own, no control character, no novel."""
    systemd, received = notifying
    systemd.status("storage: bad\nWATCHDOG=1\x1b[2J" + "x" * 1000)
    (message,) = received()
    assert message.startswith("STATUS=storage: bad WATCHDOG=1 [2Jxxx")
    assert len(message) <= len("STATUS=") + 256


def test_without_a_manager_nothing_fails(tmp_path):
    """Without a manager, or with one that went away, the service goes on."""
    for address in (None, str(tmp_path / "unreachable"), "@batch-tracker-unreachable", "/" + "x" * 300):
        Systemd(address).ready()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, SystemdService()),
        ({"NOTIFY_SOCKET": "/run/systemd/notify"}, SystemdService("/run/systemd/notify")),
        ({"NOTIFY_SOCKET": "@abstract", "WATCHDOG_USEC": "30000000"}, SystemdService("@abstract", 30.0)),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "7"}, SystemdService(None, 1.5)),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "8"}, SystemdService()),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, SystemdService()),
        ({"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "0", "WATCHDOG_PID": ""}, SystemdService()),
        ({"WATCHDOG_USEC": "-1"}, SystemdService()),
        ({"WATCHDOG_USEC": "soon"}, SystemdService()),
        ({"WATCHDOG_USEC": "²"}, SystemdService()),
    ],
)
def test_environment_says_what_is_expected(environ, expected):
    """An address that we can send to, a watchdog that is meant for this process (7), and no nonsense."""
    assert read_service(environ, 7) == expected
