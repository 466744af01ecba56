"""Binds the parts of a node to each other: vote, ledger, store, network, roles."""
