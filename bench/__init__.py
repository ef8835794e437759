"""Benchmarks against peers: ``python -m bench.<name> --help``."""
