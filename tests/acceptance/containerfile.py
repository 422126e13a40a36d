"""What the tests read of deploy/Containerfile: its stages, each a list of instructions."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH = ROOT / "deploy" / "Containerfile"


def stages():
    """The stages in order, each the pairs of instruction and arguments after its FROM."""
    text = re.sub(r"^#.*\n", "", PATH.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            found.append([])
        elif found:
            found[-1].append((name, arguments.strip()))
    return found


def arguments_of(stage, name):
    """The arguments of each instruction of this name."""
    return [arguments for instruction, arguments in stage if instruction == name]
