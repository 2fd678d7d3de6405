"""What the program says: log lines drawn from events."""
