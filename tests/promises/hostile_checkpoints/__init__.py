"""Checkpoints as a bad disk or an attacker leaves them: each is refused in one line, and none is run."""
