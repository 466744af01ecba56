"""Peers and what travels between them. Everyone else imports only `aliad.net.network`."""
