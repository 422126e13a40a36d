"""The Protocols: one for each thing that has, or may get, a second implementation."""
