"""Arguments of commands: shared options, checks and completion of names."""
