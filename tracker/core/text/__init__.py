"""Text made safe: escaping, one line, secrets removed."""
