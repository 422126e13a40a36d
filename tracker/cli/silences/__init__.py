"""The commands about silences: what is asked for, and by whom it is done."""
