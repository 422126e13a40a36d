"""Owns making one printable line of a text that others wrote."""


def one_line(text: str, longest: int) -> str:
    """`text` as one line of at most `longest` characters: blanks are single spaces, what is not printable is left out."""
    words = " ".join(text[: 10 * longest].split())  # ten times: there may be blanks, and what is left out
    return cut("".join(filter(str.isprintable, words)).strip(), longest)


def cut(text: str, longest: int) -> str:
    """`text` of at most `longest` characters, the last of them an ellipsis where some are missing."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
