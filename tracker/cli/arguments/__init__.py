"""What commands take: shared options, and the checking and completion of names."""
