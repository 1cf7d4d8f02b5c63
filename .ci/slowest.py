"""Print the test files that took longest, from one of pytest's records: ``slowest.py RECORD.xml``."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from xml.etree import ElementTree as ET

SHOWN = 12


def main(record: str) -> int:
    """Print the seconds of each file, and how many tests it has."""
    seconds: defaultdict[str, float] = defaultdict(float)
    tests: Counter[str] = Counter()
    for case in ET.parse(record).iter("testcase"):
        # a class of tests follows the name of its module
        names = [name for name in case.get("classname", "").split(".") if not name.startswith("Test")]
        file = ".".join(names) or case.get("name", "")
        seconds[file] += float(case.get("time", 0))
        tests[file] += 1
    print(f"{sum(seconds.values()):.0f} s in {tests.total()} tests of {len(tests)} files; the longest:")
    for file, spent in sorted(seconds.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"  {spent:6.1f} s in {tests[file]:4d} tests: {file}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
