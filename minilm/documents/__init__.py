"""Documents: read, cut into pieces, kept in a table of LanceDB that follows them, and searched."""
