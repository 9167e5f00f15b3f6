"""For every test."""

from __future__ import annotations

from hypothesis import settings

# A deadline for one example (hypothesis: 200 ms) measures how busy the machine is, not what is tested. Everything else is
# inherited from the profile in force, which with CI=true is hypothesis' own: the same examples in every run.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
