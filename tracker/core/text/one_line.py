"""Owns making one printable line of a text from elsewhere."""


def one_line(text: str, max_length: int) -> str:
    """`text` as one line of at most `max_length` characters: spaces are single, unprintable characters are left out."""
    words = " ".join(text[: 10 * max_length].split())  # ten times: spaces and unprintable characters are left out
    return truncate("".join(filter(str.isprintable, words)).strip(), max_length)


def truncate(text: str, max_length: int) -> str:
    """`text` of at most `max_length` characters, the last one an ellipsis if some are missing."""
    return text if len(text) <= max_length else text[: max_length - 1].rstrip() + "…"
