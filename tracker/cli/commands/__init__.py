"""The commands: a module each, whose `command` is what click calls."""
