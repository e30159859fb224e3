"""Benchmarks: each against what a user would pick instead, in the same process."""
