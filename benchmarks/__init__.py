"""Benchmarks: an asv suite (bench_*.py) and a side-by-side table (compare.py). See docs/benchmarks.md."""
