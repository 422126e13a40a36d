"""Events as values: how they come about, and what they say."""
