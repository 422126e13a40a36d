"""Polling the accounts: the loop, a sweep over the lists of a provider, and what it records."""
