"""Look for known vulnerabilities in the installed packages with pip-audit.

Exits with 1 if a package has a vulnerability, otherwise with 0. A line says if no service answered, or not
for every package. pip-audit itself calls an environment clean even if it could look up nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys

UNREACHABLE = (
    "ConnectionError",
    "Could not connect",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "SSLError",
)


def main() -> int:
    """Ask the services in turn, until one has looked up every package."""
    most_packages = 0
    for service in ("pypi", "osv"):
        command = ["pip-audit", "--vulnerability-service", service, "--format", "json", "--timeout", "20"]
        command += ["--progress-spinner", "off", "--skip-editable", "--local"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if not result.stdout.strip():
            if any(sign in result.stderr for sign in UNREACHABLE):
                print(f"{service} cannot be reached")
                continue
            sys.stderr.write(result.stderr)
            return 1
        packages = [p for p in json.loads(result.stdout)["dependencies"] if p["name"] != "minilm"]
        looked_up = [package for package in packages if "skip_reason" not in package]
        vulnerabilities = [
            f"{package['name']} {package['version']}: {fault['id']}, fixed in {fault['fix_versions']}"
            for package in looked_up
            for fault in package["vulns"]
        ]
        print(*vulnerabilities, sep="\n", end="\n" if vulnerabilities else "")
        if vulnerabilities:
            return 1
        if packages and len(looked_up) == len(packages):
            print(f"clean: {service} has looked up {len(packages)} of {len(packages)} packages")
            return 0
        others = ", ".join(package["name"] for package in packages if package not in looked_up)
        print(f"{service} has looked up {len(looked_up)} of {len(packages)} packages only, not {others}")
        most_packages = max(most_packages, len(looked_up))
    if most_packages:
        print(f"AUDITED IN PART: no vulnerability in the {most_packages} packages that could be looked up")
    else:
        print("NOT AUDITED: no vulnerability service could be reached from here")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
