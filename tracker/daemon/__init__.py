"""The daemon: startup and shutdown, signals, the supervisor of its workers, and the factories of providers and notifiers."""
