"""Parallel corpora: reading, cleaning, tokenizing, batching, and the manifest a job commits to.

Nothing here knows tensors, peers or blocks. Everything is a pure function of its input files and
an integer seed, so that two people who prepare the same corpus get the same digests.
"""
