"""Tools for modules."""

__all__ = []
