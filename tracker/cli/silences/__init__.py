"""The commands about silences: reading a request, and having the daemon or this process carry it out."""
