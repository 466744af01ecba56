"""A seeded simulation of the consensus core: hostile network, crashes, Byzantine validators."""
