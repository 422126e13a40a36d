"""The simulated batch and files API of OpenAI, and of gateways that are compatible with it."""
