"""Where segments lie once they are verified: object stores behind one small interface (docs/object-stores.md)."""
