"""Blobs between peers: who has which chunk, fetching from several at once, serving onward."""
