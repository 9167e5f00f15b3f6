"""``recorder doctor`` on a Raspberry Pi: one file for each kind of device, functions that yield what they saw.

A check is given what it looks at (folders, openers) so that tests can show it a broken board. It leaves the board as it
found it: outputs are not switched, the watchdog is not opened (that would arm it), a receiver in use is not read.
"""
