"""Owns the build step that puts the guides into the wheel, whose daemon serves them under /docs; pyproject.toml names it."""

import tomllib
from pathlib import Path
from typing import Final

from setuptools.command.build_py import build_py

PACKAGE: Final = Path("tracker", "web", "docs")


class BuildWithGuides(build_py):
    """Builds the package with copies of what tracker/web/docs/guides.toml names; an editable installation reads the files."""

    def run(self) -> None:
        """Build the package, then copy the guides into it."""
        super().run()
        if self.editable_mode:
            return
        for source in guides():
            copy = Path(self.build_lib, PACKAGE, "guides", source)
            self.mkpath(str(copy.parent))
            self.copy_file(str(source), str(copy), preserve_mode=False)

    def get_source_files(self) -> list[str]:
        """What a source distribution needs to be built from."""
        return [*super().get_source_files(), *map(str, guides()), str(Path("deploy", Path(__file__).name))]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:  # noqa: FBT001, FBT002 - setuptools calls it so
        """Every file that the build makes."""
        copies = [] if self.editable_mode else [str(Path(self.build_lib, PACKAGE, "guides", each)) for each in guides()]
        return [*super().get_outputs(include_bytecode), *copies]


def guides() -> list[Path]:
    """The paths of the guides and of the files that they name. Raises `FileNotFoundError` for what the checkout lacks."""
    table = tomllib.loads((PACKAGE / "guides.toml").read_text("utf-8"))
    found = [Path(guide["source"]) for guide in table["guides"]]
    for pattern in table["files"]:
        files = sorted(Path().glob(pattern))
        if not files:
            raise FileNotFoundError(f"{PACKAGE / 'guides.toml'} names {pattern}, and there is no such file")
        found += files
    return found
