"""The wheel that users get, in an environment that holds the locked core and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import aegis_stream

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / ".cache" / "wheels"

NAMES = """
import json, sys
import aegis_stream
for name in aegis_stream.__all__:
    getattr(aegis_stream, name)
print(json.dumps({"names": sorted(aegis_stream.__all__), "from": aegis_stream.__file__}))
"""
ROUND_TRIP = """
import json
from aegis_stream import HybridKEM, TelemetryPipeline, create_pii_decryptor, create_pii_enricher
private, public = HybridKEM.generate_keypair()
pipeline = TelemetryPipeline()
pipeline.add_enricher(create_pii_enricher(public_key=public, dek_version="dek-v1-20260101"))
event = {"event_id": "1", "actor_id": "someone@example.org", "amount": 7}
encrypted = pipeline.process(event)
assert "someone@example.org" not in json.dumps(encrypted), "in the clear"
opened = create_pii_decryptor(private_key=private, dek_version="dek-v1-20260101")(encrypted)
print(json.dumps({key: opened[key] for key in event}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the work tree."""
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and the locked core without an extra; returns the folder of the programs."""
    assert WHEELS.is_dir(), f"{WHEELS.name} are not there: run `make setup`, which fetches the wheels of the core"
    venv = tmp_path_factory.mktemp("empty") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "-q", "--no-deps"]
    lock = str(ROOT / "requirements" / "core.txt")
    run(*pip, "--no-index", "--find-links", str(WHEELS), "--no-compile", "--require-hashes", "-r", lock)
    run(*pip, "--no-index", "--no-compile", str(wheel))
    return venv / "bin"


def run(*command: str) -> str:
    """Run a command away from the work tree, and return what it printed; a failure shows all it said."""
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, f"{' '.join(command[:6])} …\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_holds_what_it_needs_and_no_more(wheel: Path) -> None:
    """Types, schemas and licence go with the code; tests and tools stay at home."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"aegis_stream/py.typed", "topologies/__init__.py"} <= set(names)
    assert any(name.startswith("aegis_stream/schemas/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    tops = {name.split("/", maxsplit=1)[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"aegis_stream", "topologies"}


def test_every_public_name_is_there_without_an_extra(installed: Path) -> None:
    """An import that needs boto3 or python-pkcs11 must wait until somebody asks for that provider."""
    answer = json.loads(run(str(installed / "python"), "-c", NAMES))
    assert answer["names"] == sorted(aegis_stream.__all__)
    assert not answer["from"].startswith(str(ROOT))


def test_the_wheel_encrypts_and_decrypts(installed: Path) -> None:
    """The first thing that a user tries."""
    answer = json.loads(run(str(installed / "python"), "-c", ROUND_TRIP))
    assert answer == {"event_id": "1", "actor_id": "someone@example.org", "amount": 7}


def test_nothing_but_the_core_was_installed(installed: Path) -> None:
    """Otherwise the tests above prove nothing about the core alone."""
    script = "import importlib.util as u; print(*filter(u.find_spec, ['boto3', 'pkcs11', 'noida_db', 'pytest']))"
    assert run(str(installed / "python"), "-c", script).strip() == ""


def test_the_command_starts(installed: Path) -> None:
    """The console script is what operators start."""
    assert run(str(installed / "aegis"), "--version").strip() == "aegis 0.1.0"
    assert "topics" in run(str(installed / "aegis"), "--help")
