"""Webhooks: one event as a signed POST."""
