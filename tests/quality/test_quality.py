"""The tools that keep the house in order, so that one command runs everything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {
    "ruff": ["ruff", "check", "--output-format=concise"],
    "format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-cache"],
    "hadolint": ["hadolint", "deploy/Containerfile"],
}


@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_tool_has_nothing_to_say(command):
    """Each tool, as configured in pyproject.toml, ends with status 0."""
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[dev]'")
    assert program, f"{command[0]} is not installed, in CI it has to be"
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
