"""Tools for modules."""
