"""Sending one message to one receiver: a file for each kind of receiver."""
