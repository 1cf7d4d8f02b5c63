"""Where checkpoints come from: the modules of minilm/hub/, each with its tests."""
