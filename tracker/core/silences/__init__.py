"""The pure domain of silences: what is not delivered for a while, weekly windows, and what was missed at their end."""
