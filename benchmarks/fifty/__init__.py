"""The fifty-server example: 48 train and 2 check in each iteration. See `__main__`."""
