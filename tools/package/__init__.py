"""``./dev deb``: the Debian packages, built on any machine for arm64 and amd64 (docs/adr/0016-debian-package.md)."""
