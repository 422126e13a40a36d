"""The sections of the configuration, a module each, and what several of them have."""
