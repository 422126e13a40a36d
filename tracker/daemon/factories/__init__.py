"""The factories: from the configuration to the values of the domain, to providers and to notifiers."""
