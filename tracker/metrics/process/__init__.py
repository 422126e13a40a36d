"""The metrics of the process: its build, its configuration, its database and its exporter of traces."""
