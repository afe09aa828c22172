"""Removal by `make`, and files that stay out of git and of the image."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, data, and things that can be made again."""
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    for name in ("var", ".venv", "frontend/dist", ".mypy_cache"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "var" / "token_secret").touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person does, also where the suite itself runs under `make test`."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_clean_leaves_the_data_and_the_secret_alone(checkout: Path) -> None:
    assert make(checkout, "clean").returncode == 0
    assert sorted(path.name for path in checkout.iterdir()) == ["Makefile", "frontend", "var"]
    assert (checkout / "var" / "token_secret").exists()


def test_data_is_removed_only_when_that_is_confirmed(checkout: Path) -> None:
    for arguments in ((), ("CONFIRM=no",)):
        refused = make(checkout, "clean-data", *arguments)
        assert refused.returncode != 0
        assert "make clean-data CONFIRM=yes" in refused.stderr
        assert (checkout / "var" / "token_secret").exists()
    assert make(checkout, "clean-data", "CONFIRM=yes").returncode == 0
    assert not (checkout / "var").exists()
    assert (checkout / ".venv").exists()
    assert make(checkout, "clean-data").stdout == "there is no var/ here\n"


def test_settings_and_data_stay_out_of_git_and_out_of_the_image() -> None:
    for name in (".env", "var/token_secret", "frontend/.env"):
        ignored = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False)
        assert ignored.returncode == 0, name
    assert "**/.env*" in (ROOT / ".dockerignore").read_text().splitlines()
