"""The tools that keep the house in order, so that one command runs everything."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {
    "ruff": ["ruff", "check", "--output-format=concise"],
    "format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-cache"],
    "hadolint": ["hadolint", "deploy/Containerfile"],
    "actionlint": ["actionlint", "-shellcheck=", "-pyflakes="],  # what a machine happens to have changes nothing
}

UNCLEAR = re.compile(r"(?<![-\"])\b(whoever|whom|somebody|nobody|told|anew|gets on|so many|for ever)\b", re.IGNORECASE)
"""Words in place of which a sentence names its subject, or the number; not `--kill-whom`, nor the account "nobody"."""

ALLOWED = {"test_quality.py", "test_command_line.py", "migrations.py", "5.sql"}
"""Files that look for such words, and migrations, which stay as they have run."""

PROSE = {".html", ".md", ".py", ".sql", ".toml", ".yaml", ".yml"}


@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_tool_has_nothing_to_say(command):
    """Each tool, as configured in pyproject.toml, ends with status 0."""
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[dev]'")
    assert program, f"{command[0]} is not installed, in CI it has to be"
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_modules_of_tests_have_one_name():
    """The folders of tests are no packages: of two modules with one name pytest collects one, and the other is an error."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert {name for name, files in names.items() if files > 1} == set()


def test_prose_names_its_subjects():
    """Neither the product, its guides nor its tests have words that a reader reads twice."""
    folders = ("tracker", "deploy", "config", "tests", ".github")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in PROSE]
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [ROOT / "README.md", *files]
        if path.name not in ALLOWED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNCLEAR.search(line)
    ]
    assert lines == []
