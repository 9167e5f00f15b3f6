"""Decisions of a unit, pure: no I/O, no clocks, no threads. Time and events come in as arguments, effects go out."""
