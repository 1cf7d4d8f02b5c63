"""Targets for coverage-guided fuzzing: ``python -m fuzz.run TARGET``; see README.md here."""
