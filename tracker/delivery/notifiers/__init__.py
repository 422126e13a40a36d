"""Sending one message to one receiver: a package for each kind of receiver."""
