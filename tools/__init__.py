"""The `radgate` command and what it does."""
