"""Access control: tokens, sessions, logins, hosts, cross-site requests."""
