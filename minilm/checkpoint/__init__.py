"""A checkpoint's files, opened with suspicion: they may come from anybody."""
