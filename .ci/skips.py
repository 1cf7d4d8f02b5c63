"""Find the tests that were skipped in every run, from pytest's records: ``skips.py RECORD.xml ...``.

A test may be skipped in one step if another step runs it. The script prints the reason of every test that
never ran, and exits with 1 if a reason is not in ALLOWED.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from xml.etree import ElementTree as ET

# What CI cannot install: properties of the machine, data outside the checkout, parts of a library.
ALLOWED = (
    r"MINILM_SHARED names the folder that holds ",
    r"numpy does not run on OpenBLAS",
    r"numpy's BLAS is one whose threads threadpoolctl cannot set",
    r"numpy has nothing to choose from on this CPU",
    r"this CPU cannot run OpenBLAS's \w+ kernels",
    r"this OpenBLAS has no \w+ kernels",
    r"numpy by itself crashes on OpenBLAS's \w+ kernels",
    r"this version of scikit-learn has no ",
    r"a small disk cannot be mounted here",  # in a container not even root may do so
    r"a file system can be mounted by root on Linux only",
    r"only root on Linux can mount a small disk",
    r"a mount namespace cannot be had here",
)


def main(records: list[str]) -> int:
    """Compare the records, and return the exit code."""
    ran: set[str] = set()
    modules: set[str] = set()
    skipped: defaultdict[str, set[str]] = defaultdict(set)
    for record in records:
        for case in ET.parse(record).iter("testcase"):
            module, name, skip = case.get("classname", ""), case.get("name", ""), case.find("skipped")
            test = f"{module}::{name}" if module else name  # a module that is skipped whole has only a name
            if skip is None or skip.get("type") == "pytest.xfail":
                ran.add(test)
                modules.add(module)
            else:  # for a module the reason is in the text, not in the message
                skipped[test].add(str(skip.text if not module else skip.get("message")))
    reasons: Counter[str] = Counter()
    failed = False
    for test in sorted(skipped.keys() - ran - modules):
        allowed = [reason for reason in skipped[test] if any(re.search(one, reason) for one in ALLOWED)]
        if allowed:
            reasons[allowed[0]] += 1
        else:
            print(f"RAN NOWHERE: {test}: {'; '.join(sorted(skipped[test]))}")
            failed = True
    print(f"{len(ran)} tests ran in at least one of {len(records)} runs; allowed skips: {reasons.total()}")
    for reason, number in reasons.items():
        print(f"  {number}: {reason}")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
