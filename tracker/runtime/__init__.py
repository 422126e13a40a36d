"""What every loop runs on: the clock, the heartbeat and task groups."""
