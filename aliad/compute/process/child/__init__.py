"""The process that computes. Only here is torch imported; nothing here imports trio.

lifetime    dies with the parent, niced, quiet        server     answers while computing
worker      one request at a time                     engine     which request means what
specs · lines · tensorfiles · states                  from files and bytes to checked tensors
progress · training · rounding · decoding · operations · devices      the work itself
"""
