"""Tier 1: a whole shift in one process, on a simulated clock, disk, network, store and officer; one seed is one shift.

The recorder's own code runs: unit process with its duties, session machine, journal, recovery, custody, index, the worker's
segment files and sealing, the uplink's queue, uploader and journal posts. What is simulated is what surrounds it, and
everything that happens is drawn from one seeded generator, so that a shift that failed once fails again.
"""
