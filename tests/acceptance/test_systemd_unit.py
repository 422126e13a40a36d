"""The unit file as systemd's own analyzer sees it: nothing unknown in it, and little that the service may do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "batch-tracker.service"

pytestmark = pytest.mark.skipif(
    "BATCH_TRACKER_CI" not in os.environ and shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed: apt-get install systemd",
)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_unit_is_hardened():
    """By systemd's count (10 is a service that may do everything) the exposure is 1.5 at most."""
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT))
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)[1]) <= 1.5


def test_unit_is_understood(tmp_path):
    """Every key and value is known to systemd; only the command is not installed here, so a copy names another."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.MULTILINE))
    done = analyze("verify", "--man=no", str(copy))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    copy.write_text(text.replace("MemoryDenyWriteExecute", "MemoryDenyWriteExcute"))
    assert "MemoryDenyWriteExcute" in analyze("verify", "--man=no", str(copy)).stderr


def test_unit_leaves_the_process_metrics_alone():
    """ProcSubset=pid would score better, and would silently take every process_* metric away."""
    assert re.findall(r"^ProcSubset=", UNIT.read_text(), re.MULTILINE) == []
