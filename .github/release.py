"""Owns whether a tag may be released: `python .github/release.py v1.2.3` prints its notes, or why it may not."""

import argparse
import re
import sys
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag", help='"v" and the version of pyproject.toml')
    tag = parser.parse_args().tag
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    found = notes(tag, version, (ROOT / "CHANGELOG.md").read_text("utf-8"))
    sys.stdout.write(found)


def notes(tag: str, version: str, changelog: str) -> str:
    """The changelog's section of this version; SystemExit with a message if the tag is not its, or it has no date."""
    if tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, expected v{version}, the version in pyproject.toml")
    heading = f"## {re.escape(version)}"
    section = re.search(rf"^{heading}(?: \(([^)\n]*)\))?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[2].strip():
        raise SystemExit(f'CHANGELOG.md has no text for this version, expected a section "## {version} (YYYY-MM-DD)"')
    if not _is_date(section[1] or ""):
        raise SystemExit(
            f'CHANGELOG.md: found "## {version} ({section[1] or ""})", expected the day of the release, as YYYY-MM-DD'
        )
    return section[2].strip() + "\n"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


if __name__ == "__main__":
    main()
