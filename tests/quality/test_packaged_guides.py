"""The guides are in what is installed: the daemon serves them from a wheel as from a checkout."""

import importlib.util
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(folder, checkout, *commands):
    """What setuptools makes in `folder` of a checkout, by its commands; nothing is written into the checkout."""
    if "BATCH_TRACKER_CI" not in os.environ:  # a venv has an older one, or none
        pytest.importorskip("setuptools", "77", reason="setuptools 77 is not installed: pip install setuptools wheel")
    folder.mkdir()
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info", "--egg-base", folder, *commands]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=120)
    return folder


def guides_of(folder):
    """The guides as the package in the folder knows them."""
    spec = importlib.util.spec_from_file_location("built_guides", folder / "tracker" / "web" / "docs" / "guides.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Guides()


def assert_guides_of(folder):
    """The package has each guide and each file that guides name, byte for byte."""
    found, own = guides_of(folder), guides_of(ROOT)
    assert len(own.by_name) > 10
    assert len(own.files) > 15
    assert (found.by_name, found.files) == (own.by_name, own.files)
    for source in {*own.by_source, *own.files}:
        copy = folder / "tracker" / "web" / "docs" / "guides" / source
        assert copy.read_bytes() == (ROOT / source).read_bytes()
        assert found.text(source) == copy.read_text("utf-8")


def test_every_document_for_users_is_a_guide():
    """No document of the configuration, the operation or the vendors and events is forgotten: /docs has all of them."""
    folders = [path for name in ("config", "deploy", "tracker") for path in (ROOT / name).rglob("*.md")]
    documents = {path.relative_to(ROOT).as_posix() for path in folders if "node_modules" not in path.parts}
    assert documents | {"README.md", "CHANGELOG.md", ".github/SECURITY.md"} == {*guides_of(ROOT).by_source}


def test_a_wheel_has_the_guides(tmp_path):
    """What a wheel is made of has copies of them, and the package reads these."""
    assert_guides_of(built(tmp_path / "library", ROOT, "build_py", "--build-lib", tmp_path / "library"))


@pytest.mark.slow
def test_a_source_distribution_has_what_its_wheel_needs(tmp_path):
    """The package built from the unpacked source distribution has them too."""
    archive = built(tmp_path / "sdist", ROOT, "sdist", "--dist-dir", tmp_path / "sdist")
    with tarfile.open(next(archive.glob("*.tar.gz"))) as packed:
        packed.extractall(tmp_path, filter="data")
    unpacked = next(tmp_path.glob("batch_tracker-*"))
    assert_guides_of(built(tmp_path / "library", unpacked, "build_py", "--build-lib", tmp_path / "library"))
