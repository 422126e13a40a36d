"""The documents, held to the code that they describe."""

import re
import tomllib
from pathlib import Path

import pytest

from tracker import __version__
from tracker.cli import COMMANDS
from tracker.core.events.types import TYPES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")


def test_readme_names_every_command():
    """The README mentions every command."""
    assert [name for name in COMMANDS if f"`{name}" not in README] == []


def test_map_has_every_package_and_no_other():
    """Each package of `tracker` has a line in the map, and nothing loose stands beside the packages."""
    entries = [path for path in (ROOT / "tracker").iterdir() if path.name not in ("__init__.py", "__pycache__", "py.typed")]
    packages = {path.name for path in entries if path.is_dir()}
    rows = [
        line.split("|")[1]
        for line in CONTRIBUTING.split("## The map")[1].split("## Working")[0].splitlines()
        if line.startswith("| `")
    ]
    assert {path.name for path in entries} - packages == {"__main__.py"}
    assert {name for row in rows for name in re.findall(r"`([a-z]+)/`", row)} == packages


def test_files_that_contributing_names_exist():
    """The flow in CONTRIBUTING names files that are there."""
    named = re.findall(r"`([a-z_/]+/[a-z_]+\.py)`", CONTRIBUTING)
    assert named
    assert [name for name in named if not ((ROOT / "tracker" / name).exists() or (ROOT / name).exists())] == []


def test_version_is_the_same_everywhere():
    """The package, its metadata and the changelog's newest entry agree."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = re.search(r"^## \[?([0-9.]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert metadata["version"] == __version__ == newest[1]


DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, *(ROOT / name for name in (".github", "config", "deploy", "tests", "tracker")))
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if "node_modules" not in path.parts
)


@pytest.mark.parametrize("path", ["LICENSE", "config/tracker.toml", *DOCUMENTS])
def test_links_lead_somewhere(path):
    """A relative link in a document names a file that exists, and a heading that this file has."""
    text = (ROOT / path).read_text("utf-8")
    broken = []
    for file, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", text):
        target = (ROOT / path).parent / file if file else ROOT / path
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(f"{file}#{anchor}")
    assert broken == []


def _anchors(document):
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LOGGED = re.compile(r"""\.(?:debug|info|warning|error|critical)\(\s*"([a-z_]+\.[a-z_]+)\"""")


def test_every_log_event_is_in_the_table_of_the_operators():
    """deploy/README.md names each event that the source logs, and else only those of jobs, accounts and receivers."""
    logged = {name for path in (ROOT / "tracker").rglob("*.py") for name in LOGGED.findall(path.read_text("utf-8"))}
    section = (ROOT / "deploy" / "README.md").read_text("utf-8").split("## Log")[1].split("## Backup")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    assert len(logged) > 30
    assert logged - named == set()
    assert named - logged - set(TYPES) == set()
