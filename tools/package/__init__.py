"""``./dev deb``: the Debian packages, built on any machine for arm64 and amd64 (docs/adr/0015-debian-package.md)."""
