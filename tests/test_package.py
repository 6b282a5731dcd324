"""Trial 28: the wheel and the source distribution: what a person installs works without a checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = [path.relative_to(ROOT) for folder in ("specs", "config") for path in sorted((ROOT / folder).glob("*.toml"))]
SOURCES = [path.relative_to(ROOT) for end in ("py", "sql") for path in sorted((ROOT / "brokerfix").rglob(f"*.{end}"))]
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools writes over it
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""Without what would lead to the checkout."""


def done(*command: object, folder: Path) -> str:
    """What a command prints that must end well."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from a copy: a build leaves files behind."""
    copy = tmp_path_factory.mktemp("source") / "brokerfix"
    left = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "var", ".*")
    shutil.copytree(ROOT, copy, ignore=left)
    folder = tmp_path_factory.mktemp("built")
    done(sys.executable, "-c", BUILD, folder, folder=copy)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel. What it depends on is this environment's."""
    environment = tmp_path_factory.mktemp("environment")
    done(sys.executable, "-m", "venv", "--without-pip", environment, folder=built)
    wheel = next(built.glob("*.whl"))
    python = environment / "bin" / "python"
    done(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=built)
    places = done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=built)
    ours = [place for place in sys.path if place.endswith("site-packages")]
    (Path(places.strip()) / "dependencies.pth").write_text("\n".join(ours))
    return environment / "bin"


def test_both_hold_every_module_and_shipped_file(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {str(path) for path in (*SOURCES, Path("brokerfix/py.typed"))} <= set(names)
    data = "brokerfix-0.1.0.data/data/share/brokerfix"
    assert {f"{data}/{path}" for path in SHIPPED} == {name for name in names if name.startswith(data)}
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    assert {str(path) for path in (*SOURCES, *SHIPPED, Path("brokerfix/py.typed"), Path("LICENSE"))} <= held


def test_the_wheel_works_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = done(installed / "python", "-c", "import brokerfix; print(brokerfix.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    shipped = installed.parent / "share" / "brokerfix" / "config" / "broker.toml"
    assert "ok: broker BROKER" in done(installed / "brokerfix", "check", shipped, folder=tmp_path)
    told = done(installed / "brokerfix", "demo", "--seconds", "3", folder=tmp_path)
    assert told.rstrip().endswith("everything balances")
    assert (tmp_path / "var" / "demo" / "config" / "broker.toml").exists()


def test_specs_are_found_where_pip_puts_them_for_a_target_or_prefix(built: Path, tmp_path: Path) -> None:
    wheel = next(built.glob("*.whl"))
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]; from brokerfix.settings.shipped import folder; print(folder('specs'))"
    )
    for kind in ("--target", "--prefix"):
        place = tmp_path / kind.strip("-")
        options = "--no-deps", "--no-index", "--no-warn-script-location", "--ignore-installed"
        done(sys.executable, "-m", "pip", "install", *options, kind, place, wheel, folder=tmp_path)
        package = next(place.rglob("brokerfix/__init__.py")).parents[1]
        found = done(sys.executable, "-I", "-c", script, package, folder=tmp_path)
        assert Path(found.strip()) == place / "share" / "brokerfix" / "specs"
