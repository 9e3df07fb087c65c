"""What ``scripts/side_by_side.py`` is made of: random calls, two libraries that answer them, and a judge."""
