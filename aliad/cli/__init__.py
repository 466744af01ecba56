"""The `aliad` command. One file per group of verbs; nothing heavy is imported before it is used."""
