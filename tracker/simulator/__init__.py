"""A stand-in for the batch and files APIs of Mistral and of the other vendors, with faults to order."""
