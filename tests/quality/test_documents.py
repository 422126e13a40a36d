"""The documents, held to the code that they describe."""

import re
import tomllib
from pathlib import Path

import pytest

from tracker import __version__
from tracker.cli import COMMANDS
from tracker.core.events.event_type_table import TYPES

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
    """The package, its metadata, the image and the changelog's newest entry agree."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = re.search(r"^## \[?([0-9.]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    image = re.search(r"^ARG VERSION=(.+)$", (ROOT / "deploy" / "Containerfile").read_text("utf-8"), re.MULTILINE)
    assert metadata["version"] == __version__ == newest[1] == image[1]


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


def test_each_way_to_install_takes_five_lines():
    """The table of deploy/README.md has each way, and each leads to a section whose first block is five lines at most."""
    guide = ROOT / "deploy" / "README.md"
    table = guide.read_text("utf-8").split("## Install\n")[1].split("\nAll need")[0]
    ways = re.findall(r"^\| (\w+) \|.*\[.+\]\(([^)#]*)#?([^)]*)\) \|$", table, re.MULTILINE)
    assert [name for name, *_ in ways] == ["uvx", "pipx", "pip", "container", "systemd", "Kubernetes"]
    for name, file, anchor in ways:
        text = (guide.parent / file).read_text("utf-8") if file else guide.read_text("utf-8")
        section = re.split(rf"^#+ {anchor}$", text, flags=re.MULTILINE | re.IGNORECASE)[1] if anchor else text
        block = re.search(r"(?:^ {4}\S.*\n(?: {6}.*\n)*)+", section, re.MULTILINE)[0]
        assert 1 <= len(block.splitlines()) <= 5, name


LOGGED = re.compile(r"""(?:\.(?:debug|info|warning|error|critical)\(|_log_change\("[a-z]+",)\s*"([a-z_]+\.[a-z_]+)\"""")


def test_every_log_event_is_in_the_table_of_the_operators():
    """deploy/README.md names each event that the source logs, and else only those of jobs, accounts and receivers."""
    logged = {name for path in (ROOT / "tracker").rglob("*.py") for name in LOGGED.findall(path.read_text("utf-8"))}
    section = (ROOT / "deploy" / "README.md").read_text("utf-8").split("## Log")[1].split("## Backup")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    assert len(logged) > 30
    assert logged - named == set()
    assert named - logged - set(TYPES) == set()
