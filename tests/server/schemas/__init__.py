"""Tests of minilm/server/routes/."""
