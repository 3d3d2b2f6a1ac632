"""How an older schema becomes the one of `tables.py`. Imported only when a store needs it."""
