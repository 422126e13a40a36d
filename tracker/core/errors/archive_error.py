"""Owns the error of an archive of result files that cannot be read."""


class ArchiveError(Exception):
    """An archived file cannot be read, or is damaged; the message says where and why, with nothing of its content."""
