"""Mistral's batch API."""
