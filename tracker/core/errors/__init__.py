"""Failures of providers, configuration and API, as values and exceptions."""
