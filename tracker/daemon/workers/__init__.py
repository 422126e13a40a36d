"""The daemon's workers: of an account, of a receiver, of the archive, and the registry that starts and stops them."""
