"""The daemon: puts the parts of a node together, runs them, and takes them down in order."""
