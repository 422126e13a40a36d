"""The embedded web server, for the daemon's own routes, the simulator and the demo's receivers."""
