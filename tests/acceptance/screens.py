"""The real command on a terminal: a pseudo-terminal whose screen a test can read and whose keys it can press."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager

import pyte
from tracking import COMMAND

PATIENCE = 30.0
"""Seconds until what should be on the screen has to be."""


class Screen:
    """`text` is what the screen shows; `raw` is every byte that was sent."""

    def __init__(self, process, master, columns, lines):
        self.process = process
        self.raw = b""
        self._master = master
        self._seen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._seen)

    @property
    def lines(self):
        return [line.rstrip() for line in self._seen.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def echoes(self):
        """Whether what is typed is shown, and read by the line, as a shell expects."""
        modes = termios.tcgetattr(self._master)[3]
        return bool(modes & termios.ECHO and modes & termios.ICANON)

    def color_of(self, words):
        """The color of the first place where the words are."""
        row = next(number for number, line in enumerate(self.lines) if words in line)
        return self._seen.buffer[row][self.lines[row].index(words)].fg

    def shows(self, *words):
        """Wait until all of it is to be seen at once."""
        self._until(lambda: all(each in self.text for each in words), words)

    def ends(self):
        """The exit status, and everything that was said by then."""
        self._until(lambda: self.process.poll() is not None and not self._more(0.2), "its end")
        return self.process.returncode

    def press(self, keys):
        os.write(self._master, keys)

    def resize(self, columns, lines):
        self._seen.resize(lines, columns)
        _set_size(self._master, columns, lines)

    def _until(self, is_there, what):
        late = time.monotonic() + PATIENCE
        while not is_there():
            assert time.monotonic() < late, f"{what} did not come, this is what is there:\n{self.text}"
            self._more(1.0)

    def _more(self, patience):
        if not select.select([self._master], [], [], patience)[0]:
            return False
        try:
            sent = os.read(self._master, 65536)
        except OSError:  # so Linux says that the other side is closed
            return False
        self.raw += sent
        self._stream.feed(sent)
        return bool(sent)


@contextmanager
def on_a_terminal(installation, *arguments, columns=80, lines=24, **environment):
    master, slave = os.openpty()
    _set_size(master, columns, lines)
    process = subprocess.Popen(
        [*COMMAND, "--config", str(installation.config), *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC"} | installation.environment | environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Screen(process, master, columns, lines)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _set_size(master, columns, lines):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
