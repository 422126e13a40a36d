"""The commands: one module each, with click's `command`."""
