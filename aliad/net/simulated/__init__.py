"""A network in one process and in virtual time, for everything above `aliad.net.network`."""
