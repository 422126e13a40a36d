"""Packages of npm as oracles, installed in a folder of the test's own by the lock file that stands beside their names."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


def installed(name, folder):
    """A copy of `tests/data/NAME` below `folder`, with its packages; a person may lack npm, CI may not."""
    if "BATCH_TRACKER_CI" not in os.environ and not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    copy = shutil.copytree(DATA / name, folder / name)
    done = run("npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000", cwd=copy)
    if done.returncode and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"npm cannot install: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    return copy


def run(program, *arguments, **options):
    """Whatever a program does within a minute; what takes longer has failed."""
    try:
        return subprocess.run([program, *arguments], **options, text=True, check=False, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(late.cmd, 1, "", str(late))
