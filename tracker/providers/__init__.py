"""The vendors' batch APIs: a package for each, the table of them, and what retries their requests."""
