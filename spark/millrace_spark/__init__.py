"""Millrace's pipeline file on Spark."""

__version__ = "0.1.0"
