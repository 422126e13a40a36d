"""OpenAI's batch API, and that of the many gateways which are compatible with it."""
