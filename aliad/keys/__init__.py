"""The node's key: the file that holds it, the passphrase that may protect it."""
