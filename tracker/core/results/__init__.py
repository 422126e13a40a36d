"""Results of a job: its output and error files, the content of their lines, usage and cost."""
