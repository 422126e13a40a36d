"""Who may send which request: tokens, sessions, login attempts, hosts."""
