"""Print what pytest may leave out because it passed before: ``passed.py RECORD.xml FILE...``.

One environment has what another lacks, and need not repeat the tests of these files that ran there.
The lines are for ``pytest @FILE``. To pytest a name stands for all that begin with it; skips.py finds one
that so ran nowhere.
"""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET


def main(record: str, *files: str) -> int:
    """Print an argument for each test of ``files`` that passed."""
    modules = {file.removesuffix(".py").replace("/", "."): file for file in files}
    for case in ET.parse(record).iter("testcase"):
        file = modules.get(case.get("classname", ""))
        if file and not len(case):  # a skip, a failure and an error are children
            print(f"--deselect={file}::{case.get('name')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
