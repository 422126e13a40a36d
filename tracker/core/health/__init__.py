"""The health of the daemon and of each account, and whether the daemon is ready."""
