"""A stand-in for Mistral's batch API on loopback, good enough to develop against."""
