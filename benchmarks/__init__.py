"""Measurements behind the README's numbers, one question a script."""
