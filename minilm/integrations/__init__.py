"""Adapters to other frameworks: one small module each, the only one that imports its framework."""
