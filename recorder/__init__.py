"""The recorder daemon: session, capture, evidence, uplink and what the officer meets."""

__version__ = "0.1.0"
