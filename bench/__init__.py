"""Measures the real server on this machine: ``python -m bench``. What it means is in ``docs/performance.md``."""
