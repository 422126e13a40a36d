"""A batch job as a value: its properties, statuses and limits."""
