"""The brokers an agency may run, set up from one description of who may say what (docs/brokers.md)."""
