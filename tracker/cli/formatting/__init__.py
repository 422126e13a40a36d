"""Jobs, events and tables as text for a terminal."""
