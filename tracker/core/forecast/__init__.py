"""When a job will end."""
