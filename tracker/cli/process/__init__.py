"""How commands run: errors, interrupts, and changes with or without a daemon."""
