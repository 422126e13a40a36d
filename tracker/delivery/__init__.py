"""Delivering events: the loop of each receiver, and the notifiers that send."""
