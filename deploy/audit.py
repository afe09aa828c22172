"""`make audit`: the software bill of materials (CycloneDX), and a check of the dependencies for known vulnerabilities.

Writes `build/sbom/*.cdx.json`. Lists each known vulnerability; the exit code is 1 if one has a fix and is not accepted
in `deploy/accepted-advisories.toml`. If an advisory service is unavailable, a message says why that part was skipped.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from shutil import which
from tempfile import NamedTemporaryFile
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
NPM_PACKAGES = {"explore page": ROOT / "frontend", "GraphiQL": ROOT / "frontend" / "graphiql"}
SBOM = ROOT / "build" / "sbom"
ACCEPTED = ROOT / "deploy" / "accepted-advisories.toml"

_UNREACHED = re.compile(r"^(requests\.exceptions\.\w+|\S*(ConnectionError|ServiceError))\b.*", re.MULTILINE)
"""Last line of pip-audit's output if its advisory service does not answer."""

_ADDRESS = re.compile(r"( - \w+)? ?https?://\S+")
"""Pattern of a URL in a message of npm, with the HTTP method before it."""

Run = Callable[[Sequence[str], Path], "subprocess.CompletedProcess[str]"]
"""A function that runs a command in a folder."""


class LeftOut(Exception):
    """A part of the audit that cannot run; the message says why."""


class Failed(Exception):
    """An audit tool failed, for another reason than an unavailable service."""


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability of a package that is used."""

    package: str
    ids: tuple[str, ...]  # ids of its advisories; reports show the first
    fix: str  # version with the fix; empty if there is none

    def fails(self, accepted: Mapping[str, date], today: date) -> bool:
        """Return whether the vulnerability fails the audit: it has a fix and is not accepted."""
        return bool(self.fix) and not any(today <= accepted[id_] for id_ in self.ids if id_ in accepted)


def accepted_advisories(text: str) -> dict[str, date]:
    """Read the accepted advisories: by id, the last day on which each is accepted."""
    entries = tomllib.loads(text)
    for id_, entry in entries.items():
        if not entry.get("reason") or not isinstance(entry.get("until"), date):
            raise Failed(f"{ACCEPTED.name}: {id_} needs a reason and a date `until`")
    return {id_: entry["until"] for id_, entry in entries.items()}


def python_vulnerabilities(run: Run, lock: str) -> list[Vulnerability]:
    """Return the known vulnerabilities of the pinned Python packages.

    pip-audit reports "no known vulnerabilities" for packages that its service does not know. Therefore a package with
    known advisories is checked first. If the service does not know that package, it has no data.
    """
    pins = re.findall(r"^\S+==.*(?:\n    --hash.*)*", lock, re.MULTILINE)
    _pip_audit(run, pins[:1])
    return [
        Vulnerability(
            f"{entry['name']} {entry['version']}", (one["id"], *one["aliases"]), ", ".join(one["fix_versions"])
        )
        for entry in _pip_audit(run, pins)
        for one in entry["vulns"]
    ]


def _pip_audit(run: Run, pins: Sequence[str]) -> list[dict[str, Any]]:
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    with NamedTemporaryFile("w", suffix=".lock") as file:
        file.write("\n".join(pins))
        file.flush()
        done = run([_beside("pip-audit"), "--requirement", file.name, *options], ROOT)
    if not done.stdout.strip():
        reason = _UNREACHED.search(done.stderr)
        if reason is None:
            raise Failed(f"pip-audit: {done.stderr.strip()[-500:]}")
        raise LeftOut(f"the advisory service does not answer ({reason[1]})")
    entries: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    unknown = [entry["name"] for entry in entries if "skip_reason" in entry]
    if unknown:
        raise LeftOut(f"the advisory service does not know {unknown[0]} ({len(unknown)} of {len(entries)} packages)")
    return entries


def npm_vulnerabilities(run: Run, package: Path) -> list[Vulnerability]:
    """Return the known vulnerabilities of the pinned npm packages."""
    try:
        done = run(["npm", "audit", "--package-lock-only", "--json", "--fetch-retries=1"], package)
    except FileNotFoundError:
        raise LeftOut("npm is not installed") from None
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise Failed(f"npm audit: {done.stderr.strip()[-500:]}") from None
    if "vulnerabilities" not in report:
        reason = str(report.get("message") or report.get("error", {}).get("summary") or "no report")
        raise LeftOut(f"the advisory service does not answer ({_ADDRESS.sub('', reason)[:120]})")
    return list(_npm_entries(report["vulnerabilities"]))


def _npm_entries(by_package: Mapping[str, Any]) -> Iterator[Vulnerability]:
    for name, entry in by_package.items():
        fix = entry["fixAvailable"]
        upgrade = f"{fix['name']} {fix['version']}" if isinstance(fix, dict) else "npm audit fix" if fix else ""
        for cause in entry["via"]:
            if isinstance(cause, dict):  # a text names another package, which has an entry of its own
                yield Vulnerability(f"{name} {entry['range']}", (cause["url"].rpartition("/")[2],), upgrade)


def write_sboms(run: Run, folder: Path) -> Iterator[Path]:
    """Write a bill of materials for the Python packages and for each npm package."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python.cdx.json"
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--no-validate", "--output-file", str(python))
    _checked(run([_beside("cyclonedx-py"), "requirements", str(LOCK), *options], ROOT))
    yield python
    if which("npm") is None:
        print("the bills of the npm packages were left out: npm is not installed")
        return
    for name, package in NPM_PACKAGES.items():
        path = folder / f"{name.lower().replace(' ', '-')}.cdx.json"
        path.write_text(_checked(run(["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"], package)))
        yield path


def _checked(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        raise Failed(f"{' '.join(done.args[:2])}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _beside(command: str) -> str:
    return str(Path(sys.executable).with_name(command))


def run_command(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command and capture its output."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def main(run: Run = run_command, folder: Path = SBOM, today: date | None = None) -> int:
    """Write the bills of materials, print the known vulnerabilities, and return the exit code."""
    try:
        accepted = accepted_advisories(ACCEPTED.read_text())
        for path in write_sboms(run, folder):
            print(f"wrote {path.name}: {len(json.loads(path.read_text())['components'])} components")
        audits: dict[str, Callable[[], list[Vulnerability]]] = {
            "Python": partial(python_vulnerabilities, run, LOCK.read_text()),
            **{name: partial(npm_vulnerabilities, run, package) for name, package in NPM_PACKAGES.items()},
        }
        return max([report(name, audit, accepted, today or date.today()) for name, audit in audits.items()])
    except Failed as fault:
        print(f"the audit failed: {fault}", file=sys.stderr)
        return 1


def report(name: str, audit: Callable[[], list[Vulnerability]], accepted: Mapping[str, date], today: date) -> int:
    """Print the result of one audit, and return its exit code."""
    try:
        found = audit()
    except LeftOut as reason:
        print(f"the audit of {name} was left out: {reason}")
        return 0
    print(f"the audit of {name} found {len(found)} known vulnerabilities")
    for one in found:
        verdict = f"fix: {one.fix}" if one.fails(accepted, today) else "accepted" if one.fix else "no fix yet"
        print(f"  {one.package}: {one.ids[0]} ({verdict})")
    return int(any(one.fails(accepted, today) for one in found))


if __name__ == "__main__":
    sys.exit(main())
