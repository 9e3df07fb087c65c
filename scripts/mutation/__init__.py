"""The mutation tester behind ``scripts/mutate.py``."""
