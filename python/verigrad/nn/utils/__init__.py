"""Tools for modules and their parameters."""
"""Tools for modules."""
