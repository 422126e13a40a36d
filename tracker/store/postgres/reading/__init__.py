"""What the web, the commands and the metrics read."""
