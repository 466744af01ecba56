"""Whom to know, whom to dial, whom to keep out. Cores without I/O, and one file that keeps them."""
