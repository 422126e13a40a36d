"""The warnings about a configuration that is valid."""
