"""How fast, how small, how steady: every figure of the README, repeated with ``python -m benchmarks``."""
