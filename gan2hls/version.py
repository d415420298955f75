"""The version, which stands before everything that says it."""

__version__ = "0.1.0"
