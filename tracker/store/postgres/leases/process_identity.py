"""Owns whether a process of this machine has ended: a replica that was killed need not wait for its own leases."""

import os
from pathlib import Path


def own_process() -> str:
    """What tells this process from every other one, on this machine since it was started; empty where that is not known."""
    try:
        return f"{_system()} {os.getpid()} {_started_at(os.getpid())[1]}"
    except (OSError, ValueError, IndexError):
        return ""


def has_ended(process: str) -> bool:
    """Whether the process that `own_process` described is known to have ended.

    Of a process of another machine, or of another container, nothing is known.
    """
    try:
        system, pid, started = process.rsplit(" ", 2)
        if system != _system():
            return False
        os.kill(int(pid), 0)
        state, started_now = _started_at(int(pid))
    except ProcessLookupError:
        return True
    except (OSError, ValueError, IndexError):
        return False  # it is another user's, or cannot be looked at
    return started_now != started or state in {"Z", "X"}


def _system() -> str:
    """The machine since it was started, and the namespace of its processes."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"


def _started_at(pid: int) -> tuple[str, str]:
    """The state of a process, and when it was started, in ticks of the machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # the name before may have spaces
    return fields[0], fields[19]
