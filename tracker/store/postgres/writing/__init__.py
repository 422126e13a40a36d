"""What a replica or a command writes, in transactions."""
