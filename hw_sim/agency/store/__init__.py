"""The agency's store: ingest server, vaults, receipts. A process of its own (``python -m hw_sim.agency.store``)."""
