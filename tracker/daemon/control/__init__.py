"""How commands reach the running daemon: the control file, and the client that reads it."""
