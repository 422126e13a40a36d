"""Logging: its setup, and throttling of lines that repeat."""
