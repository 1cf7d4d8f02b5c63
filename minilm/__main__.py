"""``python -m minilm`` is the ``minilm`` command."""

from minilm.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
