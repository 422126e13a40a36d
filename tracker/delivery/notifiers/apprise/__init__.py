"""Apprise: a message to any of its services, each by a URL of its own."""
