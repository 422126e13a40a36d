"""Batch-tracker: one daemon and one SQLite file that turn Mistral's batch jobs into events."""

__version__ = "0.1.0"
