"""Which tests one worker runs together: those of a file with an `xdist_group`, for they share a costly fixture.

Those of a file of `tests/unit` are together too: a thousand short tests, handed out one by one, keep the scheduler busy.
"""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling


class Grouping(LoadScopeScheduling):
    """What `--dist loadgroup` promises: xdist 3.8 writes the group into a test's name, and pytest 9.2 no longer takes it."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if _is_group(self.config.rootpath, path) else nodeid


@cache
def _is_group(root: Path, name: str) -> bool:
    path = root / name
    return path.parent.name == "unit" or "pytest.mark.xdist_group(" in path.read_text("utf-8")
