"""A whole corpus: files in, vectors out, resumable; and the search over them."""
