"""``hw-sim fleet``: hundreds of real uplink processes against one agency, with faults, judged from the disk.

What is real: broker, nginx, the store's instances, the units' uplink processes, keys, certificates, journals, sealing,
receipts, custody and release (``recorder.unit.custody``). What is light: no camera and no unit process; the sealed media is
invented, and one thread (:mod:`hw_sim.fleet_run.host`) does for all units what custody does in a unit process.
"""
