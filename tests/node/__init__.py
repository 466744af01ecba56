"""Whole nodes of the chain side over networks in memory."""
