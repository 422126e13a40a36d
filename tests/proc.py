"""Owns what the kernel says of a process."""

import os
from pathlib import Path


def memory(pid: int, which: str) -> int:
    """Bytes; `which` is VmRSS for what it has now, VmHWM for the most that it ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(which))) * 1024


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - there are no paths in it


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - likewise


def cpu(pid: int) -> float:
    """Seconds that all its threads have used."""
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in Path(f"/proc/{pid}/task").iterdir()) / 1e9
