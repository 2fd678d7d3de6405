"""The SQLite database that rows are read from."""
