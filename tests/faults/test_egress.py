"""Nothing goes anywhere else: in a network of its own, with loopback alone, and by what each system call was asked to reach."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from programs import program
from tracking import COMMAND

ROOT = Path(__file__).parents[2]
NEAR = re.compile(r'AF_UNIX|inet_addr\("127\.\d+\.\d+\.\d+"\)|inet_pton\(AF_INET6, "::1"|AF_NETLINK|AF_UNSPEC')
TESTS = [
    "tests/acceptance/test_reload.py::test_accounts_and_filters_change",
    "tests/acceptance/test_send_test.py::test_receiver_gets_a_signed_event_that_is_a_test",
]


@pytest.fixture
def alone():
    """What runs a command in a network that has nothing but loopback."""
    unshare, ip = program("unshare", "util-linux"), program("ip", "iproute2")
    if os.geteuid() != 0 and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("only root can make a network namespace")
    return [unshare, "--net", "sh", "-c", f'{ip} link set lo up && exec "$@"', "sh"]


def reached(file: Path) -> list[str]:
    """The addresses that system calls were asked to reach."""
    return re.findall(r"sa_family=[^}]*", file.read_text("utf-8", "replace"))


@pytest.mark.slow
def test_the_demo_reaches_loopback_alone(tmp_path, alone):
    """A simulated API, the daemon and receivers: no call asks for an address that is not this machine's, nor a name server."""
    strace = program("strace", "strace")
    file = tmp_path / "calls"
    traced = [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(file)]
    environment = os.environ | {"HOME": str(tmp_path), "HTTPS_PROXY": "http://192.0.2.1:1", "HTTP_PROXY": "http://192.0.2.1:1"}
    command = [*alone, *traced, *COMMAND, "demo", "--duration", "3s"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    asked = reached(file)
    assert sum("inet_addr" in each for each in asked) > 3, "it did reach something"
    assert [each for each in asked if not NEAR.search(each)] == []


@pytest.mark.slow
def test_a_call_that_goes_out_is_found(tmp_path, alone):
    """The same, of a program that asks for an address that is far away."""
    strace = program("strace", "strace")
    file = tmp_path / "calls"
    code = "import socket; socket.socket().connect_ex(('192.0.2.1', 443))"
    traced = [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect", "-o", str(file)]
    subprocess.run([*alone, *traced, sys.executable, "-c", code], check=True, timeout=60)
    assert [each for each in reached(file) if not NEAR.search(each)] != []


def suite(alone, tests):
    command = [*alone, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_tests_pass_on_loopback_alone(alone):
    """The real command, its signals and its outgoing requests need nothing but this machine."""
    done = suite(alone, TESTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_tests_pass_on_loopback_alone(alone):
    """So does everything else, but for what asks npm for oracles."""
    done = suite(alone, ["-n", "2", "tests", "--deselect", "tests/faults/test_egress.py"])
    print(done.stdout[-3000:])  # noqa: T201 - the figures of a long run
    assert done.returncode == 0, done.stdout
