"""The daemon: its life and signals, its workers, and the factory that wires them."""
