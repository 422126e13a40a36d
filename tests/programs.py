"""Programs of other packages that tests run: where one is missing the test is skipped, and in CI it fails."""

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of `name`, which Debian's `package` has."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    assert path, f"{name} is not installed, in CI it has to be: {package}"
    return path
