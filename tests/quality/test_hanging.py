"""A test that hangs fails, on uvloop too, and the suite goes on: pytest as a subprocess."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

HANGS = """
import time, anyio, pytest

@pytest.fixture
def anyio_backend():
    return "asyncio", {"use_uvloop": True}

@pytest.mark.timeout(0.5)
def test_in_time():
    pass

def test_longer_than_the_one_before_may_take():
    time.sleep(1.2)

@pytest.mark.anyio
@pytest.mark.timeout(0.5)
async def test_that_hangs():
    await anyio.sleep_forever()

def test_after_it():
    pass
"""


@pytest.mark.slow
def test_a_hang_fails_and_says_where(tmp_path):
    """What does not hear the alarm ends with its process, after each thread's stack; the next test is another worker's."""
    (tmp_path / "test_hangs.py").write_text(HANGS)
    options = ["-p", "hanging", "-n", "1", "-o", "hanging_grace=0.5", "-p", "no:cacheprovider", "-rA"]
    options += ["-p", "xdist", "-p", "pytest_timeout", "-p", "anyio"]  # no others: they take longer than all of it
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {"PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 3 passed" in done.stdout
    assert "FAILED test_hangs.py::test_that_hangs" in done.stdout
    assert re.search(r"Timeout \(>0\.5s\) from pytest-timeout|Timeout \(0:00:01\)!\nThread", done.stdout + done.stderr)
