"""Anthropic's Message Batches API, simulated."""
