"""Filters, pages and names: what can be asked of the log."""
