"""The simulated APIs of the vendors besides Mistral."""
