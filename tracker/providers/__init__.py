"""The vendors' batch APIs: a package for each, and what retries their requests."""
