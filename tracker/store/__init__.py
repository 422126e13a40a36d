"""Storage: what opens a store, a reader or statistics, and a package for each engine that nothing else imports."""
