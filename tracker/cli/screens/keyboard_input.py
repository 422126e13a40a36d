"""Owns the keyboard: it reads single keys from the terminal, and restores the terminal afterwards."""

import os
import re
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

_KEY: Final = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|.", re.DOTALL)
_NAMES: Final = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "k": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "j": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    " ": "page down",
    "\x1b[H": "home",
    "g": "home",
}


@contextmanager
def keyboard() -> Iterator[int | None]:
    """The file descriptor to read keys from, without echo and buffering; None if standard input is not a terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def read_keys(descriptor: int) -> AsyncIterator[str]:
    """Each key that is pressed, until the terminal is closed: a name for keys that scroll, else the character."""
    while True:
        await anyio.wait_readable(descriptor)
        typed = os.read(descriptor, 64)
        if not typed:
            return
        for key in _KEY.findall(typed.decode("utf-8", "replace")):
            yield _NAMES.get(key, key)
