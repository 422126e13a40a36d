"""What a sweep asks for, and what is believed of what it saw."""
