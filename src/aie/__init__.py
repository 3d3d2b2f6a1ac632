"""The Applied Intelligence Engine: durable, bounded, explained AI runs, each pinned for life to a release."""

__version__ = "0.1.0"

__all__ = ["__version__"]
