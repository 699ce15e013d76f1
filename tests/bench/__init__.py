"""Benchmarks and long studies: `make bench-NAME` writes build/bench/NAME.json and prints the same as a table."""
