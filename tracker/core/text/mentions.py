"""Owns mentions of everyone in text from elsewhere: a job's metadata must not notify a whole channel of a chat."""

import re
from typing import Final

_EVERYONE: Final = re.compile(r"@(?=(?:all|channel|everyone|here|room)\b)", re.IGNORECASE)


def without_mass_mentions(text: str) -> str:
    """`text` in which "@channel", "@all" and the like have a wider @, which chats show but do not obey."""
    return _EVERYONE.sub("\N{FULLWIDTH COMMERCIAL AT}", text)
