"""The unit file as systemd's own analyzer sees it: nothing unknown in it, and little that the service may do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = [FOLDER / "batch-tracker.service", FOLDER / "batch-tracker@.service"]

pytestmark = pytest.mark.skipif(
    "BATCH_TRACKER_CI" not in os.environ and shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed: apt-get install systemd",
)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_is_hardened(unit):
    """By systemd's count (10 is a service that may do everything) the exposure is 1.5 at most."""
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)[1]) <= 1.5


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_is_understood(tmp_path, unit):
    """Every key and value is known to systemd; only the command is not installed here, so a copy names another."""
    copy = tmp_path / unit.name.replace("@", "@berlin-1")
    text = unit.read_text()
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.MULTILINE))
    done = analyze("verify", "--man=no", str(copy))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    copy.write_text(text.replace("MemoryDenyWriteExecute", "MemoryDenyWriteExcute"))
    assert "MemoryDenyWriteExcute" in analyze("verify", "--man=no", str(copy)).stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_leaves_the_process_metrics_alone(unit):
    """ProcSubset=pid would score better, and would silently take every process_* metric away."""
    assert re.findall(r"^ProcSubset=", unit.read_text(), re.MULTILINE) == []


def test_unit_of_a_replica_is_that_of_the_service():
    """It is as hardened, and different only where a replica is: its name, its state, its secrets, and what it waits for."""
    alone, replica = ({line for line in unit.read_text().splitlines() if "=" in line and line[0] != "#"} for unit in UNITS)
    assert {line.partition("=")[0] for line in alone - replica} == {
        *("Description", "After", "StartLimitIntervalSec", "StartLimitBurst", "StateDirectory")
    }
    assert {line for line in replica - alone if line.startswith("Environment")} == {"Environment=BATCH_TRACKER_REPLICA=%i"}
    assert all("%i" in line for line in replica - alone if line.startswith(("Description", "StateDirectory")))
