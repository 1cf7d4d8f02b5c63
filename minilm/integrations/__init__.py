"""minilm inside other frameworks: one small file each, importing its framework, imported by name."""
