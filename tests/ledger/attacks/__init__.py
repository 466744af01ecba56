"""Ways to cheat, one module for each part of the protocol; see `mutants`."""
