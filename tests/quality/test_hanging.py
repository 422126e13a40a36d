"""A test that hangs fails, on either loop, and the suite goes on: pytest as a subprocess."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

HANGS = """
import anyio, pytest

@pytest.fixture
def anyio_backend():
    return "asyncio", {{"use_uvloop": {uvloop}}}

@pytest.mark.anyio
async def test_that_hangs():
    await anyio.sleep_forever()

def test_after_it():
    pass
"""


@pytest.mark.parametrize(
    ("uvloop", "told"),
    [
        pytest.param(False, r"Timeout \(>0\.5s\) from pytest-timeout", id="asyncio"),
        pytest.param(True, r"Timeout \(0:00:01\)!\nThread", id="uvloop"),
    ],
)
def test_a_hang_fails_and_says_where(tmp_path, uvloop, told):
    """What does not hear the alarm ends with its process, after each thread's stack; the next test is another worker's."""
    (tmp_path / "test_hangs.py").write_text(HANGS.format(uvloop=uvloop))
    options = ["-p", "hanging", "-n", "1", "--timeout", "0.5", "-o", "hanging_grace=0.5", "-p", "no:cacheprovider", "-rA"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path, env=environment | {"PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "FAILED test_hangs.py::test_that_hangs" in done.stdout
    assert re.search(told, done.stdout + done.stderr)
