"""The Dockerfile without an engine: what goes in, what is locked, and who runs it."""

from __future__ import annotations

import fnmatch
import re

from tests.support.deployment_files import ROOT

TEXT = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
STAGES = re.split(r"^(?=FROM )", "\n".join(LINES), flags=re.MULTILINE)[1:]
LAST = STAGES[-1].splitlines()
ALLOWED = [
    line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
]


def copied() -> set[str]:
    """Return what is copied from the project, folders as they are named."""
    sources = set()
    for line in LINES:
        if line.startswith("COPY ") and "--from=" not in line:
            sources |= set(line.split()[1:-1])
    return sources


def reaches(path: str) -> bool:
    """Tell whether a path, or something inside it, is sent to the engine."""
    return any(fnmatch.fnmatch(path, one) or one.startswith(f"{path}/") for one in ALLOWED)


def test_what_is_copied_is_there_and_reaches_the_engine() -> None:
    """A file that .dockerignore holds back is missing only when somebody builds."""
    assert copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    assert [source for source in copied() if not reaches(source)] == []


def test_nothing_else_reaches_the_engine() -> None:
    """A key that lies in the folder must not end in a layer of the image, nor in the engine's cache."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert not [one for one in ALLOWED if re.search(r"key|state|env|deploy|\.git", one)]
    assert [one for one in ALLOWED if "*" not in one and not (ROOT / one).exists()] == []
    assert not any("ADD " in line for line in LINES)


def test_every_package_is_locked() -> None:
    """By hash, or a wheel that an earlier stage built; never whatever a registry gives that day."""
    installs = re.findall(r"pip install ([^&\n]+)", TEXT)
    assert installs
    locked = ("--require-hashes", "--no-index")
    assert [one for one in installs if not any(option in one for option in locked)] == []
    files = set(re.findall(r"-r (requirements/\S+)", TEXT))
    assert files == {"requirements/pip.txt", "requirements/build.txt", "requirements/image.txt"}
    assert all("--hash=sha256:" in (ROOT / one).read_text(encoding="utf-8") for one in files)
    assert all("--no-build-isolation" in one for one in re.findall(r"pip wheel ([^&\n]+)", TEXT))


def test_the_lock_holds_what_every_role_needs() -> None:
    """One image for every role: the dashboard's packages and KMS are in it, tests and the demo's broker are not."""
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "image.txt").read_text(), re.MULTILINE))
    assert {"aiokafka", "faust-streaming", "starlette", "uvicorn", "boto3", "orjson"} <= names
    assert not names & {"pytest", "moto", "noida-db", "ruff", "mypy", "confluent-kafka"}


def test_base_images_are_named_by_version() -> None:
    """Slim ones, and the same Debian for all, so that what one stage builds runs in the next."""
    images = [stage.split()[1] for stage in STAGES]
    assert len(images) == 3
    assert all(re.fullmatch(r"(python:3\.[0-9]+|rust:1\.[0-9]+)-slim-bookworm", image) for image in images)


def test_the_image_runs_as_nobody_and_starts_aegis() -> None:
    """A number above zero, which Kubernetes can check; and no installer in the last stage."""
    users = [line.removeprefix("USER ") for line in LAST if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert LAST[-1] == 'ENTRYPOINT ["aegis"]'
    assert not [line for line in LAST if line.startswith("RUN ")]
    assert "PYTHONDONTWRITEBYTECODE=1" in STAGES[-1]
    assert "compileall" in STAGES[-2]
