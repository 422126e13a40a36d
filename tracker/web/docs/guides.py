"""Owns the guides: which there are, and their texts. A wheel has copies of them; a checkout reads the files themselves."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_FOLDER: Final = Path(__file__).parent
_COPIES: Final = _FOLDER / "guides"
"""Made by `deploy/build_guides.py` when a wheel is built."""

_CHECKOUT: Final = _FOLDER.parents[2]


class Guide(NamedTuple):
    """A guide under `/docs/NAME`; `source` is its path in the repository."""

    name: str
    source: str
    title: str
    about: str


class Guides:
    """The guides in the order of the index, and the other files that they name, by their paths in the repository."""

    def __init__(self) -> None:
        self._root = _COPIES if _COPIES.is_dir() else _CHECKOUT
        table = tomllib.loads((_FOLDER / "guides.toml").read_text("utf-8"))
        guides = [Guide(**each) for each in table["guides"]]
        found = (path for pattern in table["files"] for path in sorted(self._root.glob(pattern)))
        self.files: frozenset[str] = frozenset(path.relative_to(self._root).as_posix() for path in found)
        self.by_name: Mapping[str, Guide] = {guide.name: guide for guide in guides}
        self.by_source: Mapping[str, Guide] = {guide.source: guide for guide in guides}

    def text(self, source: str) -> str:
        """The text of a guide or of one of the `files`. Raises `FileNotFoundError` where the installation lacks it."""
        return (self._root / source).read_text("utf-8")
