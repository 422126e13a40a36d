"""The documents, held to the code that they describe."""

import re
import tomllib
from pathlib import Path

import pytest

from tracker import __version__
from tracker.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")


def test_readme_names_every_command():
    """A command that the README does not mention is one that nobody finds."""
    assert [name for name in COMMANDS if f"`{name}" not in README] == []


def test_map_has_every_module_and_no_other():
    """Each module and package of `tracker` has a line in the map, and each line of the map its file."""
    modules = {
        path.relative_to(ROOT / "tracker").as_posix()
        for path in (ROOT / "tracker").rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    mapped = set(re.findall(r"`([a-z_/]+\.py)`", CONTRIBUTING.split("## The map")[1].split("## Working")[0]))
    assert mapped == modules


def test_version_is_the_same_everywhere():
    """The package, its metadata and the changelog's newest entry agree."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = re.search(r"^## \[?([0-9.]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert metadata["version"] == __version__ == newest[1]


DEPLOY = "deploy/README.md", "deploy/examples/README.md", "deploy/prometheus/RUNBOOK.md", "deploy/systemd/README.md"


@pytest.mark.parametrize("path", ["README.md", "CHANGELOG.md", "LICENSE", "config/tracker.toml", *DEPLOY])
def test_links_lead_somewhere(path):
    """A relative link in a document names a file that exists."""
    text = (ROOT / path).read_text("utf-8")
    links = [
        link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) if not (ROOT / path).parent.joinpath(link).exists()
    ]
    assert links == []
