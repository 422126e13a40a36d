"""The basis of every loop: clock, heartbeat, liveness, task groups, wake-ups."""
