"""The service as it is shipped, in a systemd that is really booted: started, reloaded, hung, killed, stopped."""

import json
import os
import re
import time
from urllib.parse import urlsplit

import pytest
from booted_systemd import CLONE, REPOSITORY, booted, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("booted"),
    pytest.mark.skipif("BATCH_TRACKER_CI" not in os.environ and why_not() is not None, reason=str(why_not())),
]

UNIT = "batch-tracker"
KEY = "canary-key-3141"
API, PAGE = "http://127.0.0.1:9472", "http://127.0.0.1:9471"
CONFIG = "/etc/batch-tracker/tracker.toml"
DROP_IN = "/etc/systemd/system/batch-tracker.service.d/test.conf"
COMMAND = "/opt/batch-tracker/bin/batch-tracker"

SOON = """
[Service]
RestartSec=100ms
Environment=PYTHONPATH=/opt/planted
"""

PLANTED = """
import pathlib
import anyio
import tracker.polling.poller
import tracker.daemon.watchdog

tracker.daemon.watchdog.RECHECK_AFTER = tracker.daemon.watchdog.PROBE_EVERY = 0.2
sweep = tracker.polling.poller.Poller.poll_once

async def poll_once(self):
    if pathlib.Path("/opt/planted/hang").exists():
        await anyio.sleep_forever()
    return await sweep(self)

tracker.polling.poller.Poller.poll_once = poll_once
"""


GUIDE = (REPOSITORY / "deploy/systemd/README.md").read_text("utf-8")
INSTALLING = re.findall("^    (.+)", GUIDE.partition("## From a machine")[2].partition("##")[0], re.MULTILINE)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """The service as the guide's last commands install it, but that its API is a simulated one, which wants the key."""
    _, _, key, files, up = INSTALLING
    with booted(tmp_path_factory.mktemp("machine")) as machine:
        machine.run("sh", "-ec", f"cd {CLONE}\n{key} <<END\n{KEY}\nEND\n{files}")
        shipped = (machine.root / CONFIG.lstrip("/")).read_text()
        machine.config = f'{shipped}base_url = "{API}"\npoll_interval = "200ms"\nrequests_per_second = 100\n'
        machine.write(CONFIG, machine.config)
        machine.write("/opt/planted/sitecustomize.py", PLANTED)
        simulate = COMMAND, "simulate", f"--listen={urlsplit(API).netloc}", f"--api-key={KEY}"
        machine.run("systemd-run", "--unit=simulator", *simulate)
        machine.run("sh", "-ec", up)
        assert machine.show(UNIT, "ActiveState", "UnitFileState") == ["active", "enabled"]
        yield machine


@pytest.fixture
def service(machine):
    """The machine with the service running, and started for this test."""
    machine.write(CONFIG, machine.config)
    start(machine)
    yield machine
    machine.run("systemctl", "stop", UNIT)


def start(machine, drop_in=SOON, *, check=True):
    machine.write(DROP_IN, drop_in)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", UNIT, check=False)
    machine.run("journalctl", "--rotate")
    machine.run("journalctl", "--vacuum-time=1us")
    return machine.run("systemctl", "restart", UNIT, check=check)


def ready(machine):
    """What /readyz says once the account was swept."""
    ready = json.loads(machine.run("curl", "-sS", f"{PAGE}/readyz").stdout)
    return ready if ready["accounts"]["default"]["last_good_sweep"] else None


def status(machine):
    return machine.show(UNIT, "StatusText")[0]


def lines(machine):
    """What the service said in the journal: priorities, and what its lines hold."""
    return [(priority, json.loads(text)) for priority, text in machine.journal(UNIT) if text.startswith("{")]


def says(machine, event):
    return machine.wait_until(lambda: next((line for line in lines(machine) if line[1]["event"] == event), None))


def test_started_is_ready_and_has_the_credential(service):
    """`systemctl start` returns once it listens; the key arrived and is nowhere else; it is not root, its files are its own."""
    assert json.loads(service.run("curl", "-sS", f"{PAGE}/healthz").stdout) == {"status": "ok"}
    assert service.wait_until(lambda: ready(service))["accounts"]["default"]["failure"] is None
    service.wait_until(lambda: re.fullmatch(r"[1-9]\d* running, \d+ queued, 0 undelivered", status(service)))
    (pid,) = service.show(UNIT, "MainPID")
    assert service.run("stat", "--format=%u", f"/proc/{pid}").stdout.strip() != "0"
    assert KEY not in service.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline").stdout
    files = (
        "/etc/batch-tracker/credentials/mistral-api-key",
        "/var/lib/private/batch-tracker",
        "/var/lib/batch-tracker/tracker.db",
    )
    assert service.run("stat", "--format=%a", *files).stdout.split() == ["600", "700", "600"]


def test_reload_changes_the_running_service(service):
    """`systemctl reload` has the same process watch another account; a wrong file changes nothing, and the status says so."""
    (pid,) = service.show(UNIT, "MainPID")
    another = '[[accounts]]\nname = "another"\napi_key = { credential = "mistral-api-key" }\nbase_url = "http://127.0.0.1:1"\n'
    service.write(CONFIG, service.config + another)
    service.run("systemctl", "reload", UNIT)
    assert says(service, "configuration.reloaded")[1]["added"] == ["account another"]
    service.wait_until(lambda: status(service).endswith("account another: network"))
    service.write(CONFIG, service.config + "nonsense = 1\n")
    service.run("systemctl", "reload", UNIT)
    said = rf"reload failed: {CONFIG}:[0-9]+: accounts\[0\]\.nonsense: unknown key"
    service.wait_until(lambda: re.search(said, status(service)))
    assert service.show(UNIT, "MainPID", "ActiveState", "SubState") == [pid, "active", "running"]
    service.write(CONFIG, service.config)
    service.run("systemctl", "reload", UNIT)
    service.wait_until(lambda: status(service).endswith("undelivered"))


def test_hung_loop_is_restarted_by_the_watchdog(machine):
    """A sweep that never returns leaves the watchdog unfed, though everything else lives; the next process is well."""
    machine.write(CONFIG, machine.config)
    start(machine, SOON + "WatchdogSec=2s\n")
    machine.wait_until(lambda: ready(machine))
    (pid,) = machine.show(UNIT, "MainPID")
    hang = machine.write("/opt/planted/hang", "")
    machine.wait_until(lambda: machine.show(UNIT, "MainPID") not in ([pid], ["0"]))
    hang.unlink()
    machine.wait_until(lambda: machine.show(UNIT, "ActiveState") == ["active"] and ready(machine))
    assert (4, f"{UNIT}.service: Failed with result 'watchdog'.") in machine.journal(UNIT)
    assert (2, ["account default"]) in [(priority, line.get("loops")) for priority, line in lines(machine)]
    assert any("Fatal Python error: Aborted" in text for _, text in machine.journal(UNIT))
    machine.run("systemctl", "stop", UNIT)


def test_killed_is_restarted(service):
    """SIGKILL leaves a process that systemd restarts; the new one continues where the old one was."""
    service.wait_until(lambda: ready(service))
    before = service.run(COMMAND, "events", "--json").stdout.splitlines()
    service.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    service.wait_until(lambda: service.show(UNIT, "NRestarts", "ActiveState") == ["1", "active"])
    service.wait_until(lambda: ready(service))
    after = service.run(COMMAND, "events", "--json").stdout.splitlines()
    assert before
    assert after[: len(before)] == before
    assert [json.loads(line)["seq"] for line in after] == list(range(1, len(after) + 1))


def test_stop_takes_seconds_and_is_a_success(service):
    """It ends by itself, long before systemd would kill it."""
    service.wait_until(lambda: ready(service))
    began = time.monotonic()
    service.run("systemctl", "stop", UNIT)
    assert time.monotonic() - began < 10
    assert (6, f"{UNIT}.service: Deactivated successfully.") in service.journal(UNIT)
    assert [line["event"] for _, line in lines(service)][-2:] == ["process.stopping", "process.stopped"]


def test_journal_knows_priorities(service):
    """Each line of the log has its syslog priority, and is nothing but its JSON otherwise; the key is in none of them."""
    service.write(CONFIG, service.config + "nonsense = 1\n")
    service.wait_until(lambda: ready(service))
    service.run("systemctl", "reload", UNIT)
    says(service, "configuration.reload_failed")
    levels = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
    logged = lines(service)
    assert {"error", "info"} <= {line["level"] for _, line in logged}
    assert [priority for priority, _ in logged] == [levels[line["level"]] for _, line in logged]
    assert KEY not in str(service.journal(UNIT))


def test_wrong_configuration_is_not_tried_again(machine):
    """A start that cannot succeed fails at once, with every mistake in the journal, and is not repeated."""
    machine.write(CONFIG, machine.config + "nonsense = 1\n")
    assert start(machine, check=False).returncode == 1
    assert machine.show(UNIT, "ActiveState", "NRestarts", "ExecMainStatus") == ["failed", "0", "2"]
    assert any("accounts[0].nonsense: unknown key" in text for _, text in machine.journal(UNIT))


def test_missing_credential_is_reported_by_systemd(machine):
    """Without the file of the key the service does not start, with systemd's status for that."""
    machine.write(CONFIG, machine.config)
    start(machine, SOON + "LoadCredential=another:/etc/batch-tracker/credentials/missing\nRestart=no\n", check=False)
    assert machine.show(UNIT, "ActiveState", "ExecMainStatus") == ["failed", "243"]


def test_restart_loop_ends_as_a_failed_unit(machine):
    """What dies again and again is seen: after some starts the unit has failed, and stays so."""
    machine.write(CONFIG, machine.config)
    machine.write("/opt/planted/dies/sitecustomize.py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    dies = "[Service]\nRestartSec=1ms\nEnvironment=PYTHONPATH=/opt/planted/dies\n[Unit]\nStartLimitBurst=3\n"
    start(machine, dies, check=False)
    machine.wait_until(lambda: machine.show(UNIT, "ActiveState") == ["failed"])
    assert any("Start request repeated too quickly" in text for _, text in machine.journal(UNIT))


def test_backup_and_restore_as_documented(service):
    """Root copies the database beside the service and puts it back: it is the service's again, and goes on from there."""
    service.wait_until(lambda: ready(service))
    service.run(COMMAND, "backup", "/var/backups/tracker.db")
    service.run("systemctl", "stop", UNIT)
    service.run("rm", "/var/lib/private/batch-tracker/tracker.db")
    service.run(COMMAND, "restore", "/var/backups/tracker.db")
    service.run("systemctl", "start", UNIT)
    service.wait_until(lambda: ready(service))
    assert service.run(COMMAND, "verify").returncode == 0
    assert service.show(UNIT, "NRestarts") == ["0"]


def test_systemd_finds_nothing_wrong_with_the_unit(machine):
    """`systemd-analyze verify` of the installed unit says nothing."""
    verified = machine.run("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{UNIT}.service", check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
