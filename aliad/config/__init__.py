"""Configuration: its schema, where each value came from, and the commented sample."""
