"""What both storage engines share: how values become columns and come back, and the rules that are not SQL."""
