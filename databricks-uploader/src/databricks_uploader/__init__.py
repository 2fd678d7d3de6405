"""Moves rows, incrementally and exactly once, from SQLite files into Delta Lake tables."""

__version__ = "0.1.0"
