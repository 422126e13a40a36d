"""Owns a clock that the real command believes: set on and back while it runs, and what it said when."""

import subprocess

from programs import program
from tracking import clock

SOON = 1.0
"""Seconds until every process sees the new time."""


class WrongClock:
    """A clock that is wrong by `off` seconds. `settings` are when it was set, by the true one, and how far off to be."""

    def __init__(self, folder):
        self._file = folder / "clock"
        self.settings = []
        self.set(0.0)

    @property
    def off(self):
        return self.settings[-1][1]

    def set(self, off):
        """From now on it is wrong by `off` seconds."""
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{off:+.0f}")
        whole.replace(self._file)
        self.settings.append((clock(), off))

    def deceive(self, installation):
        """Have every command of the installation believe it, but for the time that passes: that is the true one."""
        faketime = [program("faketime", "faketime"), "-m", "-f", "+0"]
        library = subprocess.run([*faketime, "printenv", "LD_PRELOAD"], capture_output=True, check=True)
        installation.environment |= {
            "LD_PRELOAD": library.stdout.decode().strip(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # which would have timers hang
        }

    def has_said(self, moment):
        """Whether it was `moment` (Unix seconds) by this clock at any time."""
        ends = [*(began for began, _ in self.settings[1:]), clock()]
        return any(began - SOON <= moment - off <= end + SOON for (began, off), end in zip(self.settings, ends, strict=True))
