"""Owns the table of vendors: a new vendor is a package in this folder, and a line here."""

from collections.abc import Mapping
from typing import Final

from tracker.providers.anthropic.vendor import ANTHROPIC
from tracker.providers.gemini.vendor import GEMINI
from tracker.providers.mistral.vendor import MISTRAL
from tracker.providers.openai.vendor import OPENAI
from tracker.providers.vendor import Vendor

_ALL: Final[tuple[Vendor, ...]] = (MISTRAL, OPENAI, ANTHROPIC, GEMINI)

VENDORS: Final[Mapping[str, Vendor]] = {each.name: each for each in _ALL}
"""By the name that `provider` has in the configuration."""
