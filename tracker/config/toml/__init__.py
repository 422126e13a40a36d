"""Reading TOML: tables by the paths of their keys, and the line of each."""
