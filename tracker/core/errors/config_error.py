"""Owns the error of an invalid configuration."""


class ConfigError(Exception):
    """The configuration cannot be used. The message says where, what was found and what is expected; never a secret."""
