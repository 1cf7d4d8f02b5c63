"""Parity with the original: golden outputs, and comparisons with the original itself."""
