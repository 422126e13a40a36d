"""The parts of the `wait` command: sources, state, view, result and exit status."""
