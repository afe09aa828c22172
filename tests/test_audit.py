"""`make audit`, with tools that answer what they are given here."""

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from deploy import audit

pytestmark = pytest.mark.servers

TODAY = date(2026, 11, 29)
LOCK = """\
first==1.0 \\
    --hash=sha256:aa
    # via explore-gateway
second==2.0 ; sys_platform != 'win32' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
"""
GOOD = {"name": "first", "version": "1.0", "vulns": []}
BAD = {
    "name": "second",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["GHSA-a"], "fix_versions": ["2.1"], "description": "long"}],
}
UNREACHED = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded
"""
NPM_BAD = {
    "vulnerabilities": {
        "vite": {"range": "<6", "via": [{"url": "https://x.example/advisories/GHSA-v"}], "fixAvailable": True},
        "plugin": {"range": "*", "via": ["vite"], "fixAvailable": True},
        "left": {"range": "*", "via": [{"url": "https://x.example/advisories/GHSA-l"}], "fixAvailable": False},
    }
}


def answering(*answers):
    """Stand in for commands: each gets the next answer, as JSON, or as what it writes to standard error."""
    remaining = list(answers)

    def run(command, folder):
        answer = remaining.pop(0)
        said, complained = ("", answer) if isinstance(answer, str) else (json.dumps(answer), "")
        return subprocess.CompletedProcess(command, 1, said, complained)

    return run


def python(*answers):
    return audit.python_vulnerabilities(answering(*answers), LOCK)


def test_a_vulnerability_with_a_fix_fails_the_audit_until_it_is_accepted():
    (found,) = python({"dependencies": [GOOD]}, {"dependencies": [GOOD, BAD]})
    assert (found.package, found.ids, found.fix) == ("second 2.0", ("PYSEC-1", "GHSA-a"), "2.1")
    assert found.fails({}, TODAY)
    assert found.fails({"GHSA-a": date(2026, 11, 28), "GHSA-b": TODAY}, TODAY)
    assert not found.fails({"GHSA-a": TODAY}, TODAY)


def test_a_vulnerability_without_a_fix_does_not_fail_the_audit():
    unfixed = {**BAD, "vulns": [{**BAD["vulns"][0], "fix_versions": []}]}
    (found,) = python({"dependencies": [GOOD]}, {"dependencies": [GOOD, unfixed]})
    assert not found.fails({}, TODAY)


def test_a_service_that_knows_no_package_is_not_taken_for_one_without_advisories():
    skipped = {"name": "first", "skip_reason": "Dependency not found"}
    with pytest.raises(audit.LeftOut, match="does not know first"):
        python({"dependencies": [skipped]})
    with pytest.raises(audit.LeftOut, match=r"does not know first \(1 of 2 packages\)"):
        python({"dependencies": [GOOD]}, {"dependencies": [skipped, BAD]})


def test_a_service_that_does_not_answer_is_told_from_a_fault():
    with pytest.raises(audit.LeftOut, match=r"does not answer \(requests\.exceptions\.ConnectionError\)"):
        python(UNREACHED)
    with pytest.raises(audit.Failed, match="invalid requirements input"):
        python("ERROR:pip_audit._cli:invalid requirements input: x")


def test_npm_reports_each_advisory_once():
    found = audit.npm_vulnerabilities(answering(NPM_BAD), Path())
    assert [(one.package, one.ids, one.fails({}, TODAY)) for one in found] == [
        ("vite <6", ("GHSA-v",), True),
        ("left *", ("GHSA-l",), False),
    ]


def test_an_npm_service_that_does_not_answer_is_left_out_without_its_address():
    with pytest.raises(audit.LeftOut) as left_out:
        audit.npm_vulnerabilities(answering({"message": "405 Method Not Allowed - POST https://x.example/a"}), Path())
    assert str(left_out.value) == "the advisory service does not answer (405 Method Not Allowed)"


def test_a_machine_without_npm_is_left_out():
    def run(command, folder):
        raise FileNotFoundError

    with pytest.raises(audit.LeftOut, match="npm is not installed"):
        audit.npm_vulnerabilities(run, Path())


@pytest.mark.parametrize("text", ["[GHSA-a]\nuntil = 2026-11-29", '[GHSA-a]\nreason = "x"\nuntil = "soon"'])
def test_an_advisory_is_accepted_only_with_a_reason_and_a_date(text):
    with pytest.raises(audit.Failed, match="GHSA-a needs"):
        audit.accepted_advisories(text)
    assert audit.accepted_advisories(text.replace('"soon"', "2026-11-29") + '\nreason="y"' * ("reason" not in text))


def test_the_report_says_what_was_found_and_what_was_left_out(capsys):
    vulnerable = audit.Vulnerability("second 2.0", ("PYSEC-1",), "2.1")

    def unreached():
        raise audit.LeftOut("no network")

    assert audit.report("Python", lambda: [vulnerable], {}, TODAY) == 1
    assert audit.report("Python", lambda: [vulnerable], {"PYSEC-1": TODAY}, TODAY) == 0
    assert audit.report("npm", unreached, {}, TODAY) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "  second 2.0: PYSEC-1 (fix: 2.1)"
    assert printed[3] == "  second 2.0: PYSEC-1 (accepted)"
    assert printed[4] == "the audit of npm was left out: no network"


def test_the_bill_of_materials_lists_what_the_lock_pins(tmp_path):
    python_bill = next(audit.write_sboms(audit.run_command, tmp_path))
    listed = {part["purl"] for part in json.loads(python_bill.read_text())["components"]}
    pinned = [line for line in audit.LOCK.read_text().splitlines() if "==" in line]
    assert len(listed) == len(pinned)
    assert any(purl.startswith("pkg:pypi/graphql-core@") for purl in listed)
