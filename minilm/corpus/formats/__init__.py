"""The file formats of a corpus: a reader of rows, a writer of shards and a reader of vectors per format.

``registry.py`` lists them. A new format is a module here and a line there.
"""
