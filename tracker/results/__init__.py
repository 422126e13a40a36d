"""Result files: archived once, verified, and kept for as long as configured."""
