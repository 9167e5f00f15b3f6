"""The virtual Pi (tier 3): a real Linux kernel with real drivers and systemd, as ordinary processes of this machine.

User-mode Linux needs no KVM and runs at native speed; killing its processes is a true power cut for everything the guest's
kernel had not yet written. What it is, what it proves and what not: ``docs/virtual-pi.md``.
"""
