"""Tests of documents that are cut, indexed and searched."""
