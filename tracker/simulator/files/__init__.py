"""The files of a simulated workspace: uploads, and the result files of its jobs, whose lines are made while they are read."""
