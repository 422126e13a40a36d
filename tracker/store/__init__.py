"""Storage: the event log, the outbox and reading, with a package for each engine."""
