"""The recorder daemon: session, capture, evidence, uplink and what the officer meets."""

import os

__version__ = "0.1.0"

# pydantic would load the plugin of any package that declares one, into the process that signs evidence, and reads every
# installed package's metadata to find them: 1 MB and 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
