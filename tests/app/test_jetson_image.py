"""Dockerfile.jetson, as far as it can be checked without a Jetson: lint, sources, packages, power mode."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from stream_mer.cli import main
from stream_mer.runtime.machine import jetson

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCKERFILE = ROOT / "Dockerfile.jetson"
PYTHONS = {"6.2": "3.10", "7.2": "3.12"}
MANYLINUX = {"6.2": 35, "7.2": 39}
"""glibc of Ubuntu 22.04 and 24.04."""
FROM_SOURCE = ("pycuda",)


def instructions() -> list[str]:
    """The file's instructions, one line each, without comments."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [line.strip() for line in joined.splitlines() if line.strip()]


def variables(jetpack: str) -> dict[str, str]:
    """What the stage of a JetPack sets for the stages after it."""
    values, stage = {}, ""
    for line in instructions():
        if line.startswith("FROM"):
            stage = line.rsplit(" ", 1)[-1]
        elif line.startswith("ENV") and stage == f"jetpack-{jetpack}":
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line.removeprefix("ENV ")):
                values[name] = quoted or plain
    return values


def pinned(jetpack: str) -> list[str]:
    """Every package that pip is told to install for a JetPack, as ``name==version``."""
    values = variables(jetpack)
    text = " ".join(line for line in instructions() if "pip install" in line)
    text = re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
    return list(dict.fromkeys(re.findall(r"[\w-]+==[\w.]+", text)))


def test_it_is_linted() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.is_file():
        pytest.skip("hadolint is not installed (extra dev)")
    ran = subprocess.run([program, str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout == ""


def test_every_copied_file_is_in_the_repository() -> None:
    copied = [
        line.split()[1:-1] for line in instructions() if line.startswith("COPY") and "--from" not in line
    ]
    names = [name for line in copied for name in line]
    assert {"stream_mer", "engines", "calibration", "pyproject.toml"} <= set(names)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first = {path.split("/")[0] for path in tracked.splitlines()}
    assert [name for name in names if name not in first] == []
    sent = (ROOT / ".dockerignore").read_text().splitlines()  # all else stays out of the build's context
    assert [name for name in names if f"!{name}" not in sent] == []


def test_what_the_wheel_needs_is_copied() -> None:
    """Hatchling reads the README, the licence and both shipped folders."""
    names = " ".join(line for line in instructions() if line.startswith("COPY"))
    for needed in ("README.md", "LICENSE", "engines", "calibration"):
        assert needed in names


@pytest.mark.parametrize("jetpack", list(PYTHONS))
def test_what_pycuda_was_linked_to_is_there_when_it_runs(jetpack: str) -> None:
    """The last stage has no compiler and no headers, but it needs the libraries; the driver is the host's."""
    values = variables(jetpack)
    linked = re.findall(r"lib[\w]+-dev[\w-]*", values["CUDA_DEVEL"])
    assert [name for name in linked if name.replace("-dev", "") not in values["CUDA_RUN"].split()] == []
    installs = [line for line in instructions() if "apt-get install" in line and "${CUDA_RUN}" in line]
    assert len(installs) == 1
    assert any("! ldd" in line and "pycuda/_driver" in line for line in instructions())


def test_it_is_not_root_and_says_how_it_is() -> None:
    lines = instructions()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users[-1].isdecimal()
    assert int(users[-1]) > 0
    health = next(line for line in lines if line.startswith("HEALTHCHECK"))
    assert "/healthz" in health
    assert int(re.search(r"--start-period=(\d+)m", health)[1]) >= 20  # type: ignore[index]
    assert any(line.startswith("VOLUME") and "/var/cache/stream_mer" in line for line in lines)


@pytest.mark.parametrize("jetpack", list(PYTHONS))
def test_everything_that_its_command_needs_is_installed(jetpack: str) -> None:
    """stream_mer is installed without its dependencies, which are the system's or pinned by name.

    Without ``prometheus_client`` the image's own command, ``live --web``, ended at once.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = (
        project["dependencies"] + extras["gpu"] + (extras["web"] if "--web" in DOCKERFILE.read_text() else [])
    )
    names = {re.match(r"[\w-]+", one)[0].replace("_", "-") for one in needed}  # type: ignore[index]
    there = {one.split("==")[0].replace("_", "-") for one in pinned(jetpack)}
    from_system = {"opencv-contrib-python": "python3-opencv", "tensorrt": "python3-libnvinfer"}
    assert all(package in DOCKERFILE.read_text() for package in from_system.values())
    assert names - there - set(from_system) == set()


def require_resolved(command: list[str], limit_s: float = 200) -> None:
    """Run pip's resolver; a package index that is slow or away skips, a package that is not there fails."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index is too slow to be asked")
    # Without a connection pip says that nothing matches, too.
    if ran.returncode != 0 and re.search(r"connection|timed out|resolve host", ran.stderr, re.I):
        pytest.skip("no package index can be reached")
    assert ran.returncode == 0, ran.stderr[-1500:]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("jetpack", list(PYTHONS))
def test_every_pinned_package_is_there_for_arm64(jetpack: str, tmp_path: Path) -> None:
    """Asked of pip's own resolver, nothing is downloaded whole or installed."""
    wanted = [one for one in pinned(jetpack) if not one.startswith((*FROM_SOURCE, "pip=="))]
    assert len(wanted) > 15
    assert not [one for one in wanted if "$" in one]
    tags = [f"manylinux_2_{minor}_aarch64" for minor in range(17, MANYLINUX[jetpack] + 1)]
    flags = [f"--platform={tag}" for tag in (*tags, "manylinux2014_aarch64")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--only-binary=:all:"]
    command += [f"--python-version={PYTHONS[jetpack]}", f"--target={tmp_path}", *flags]
    packages = [one for one in wanted if not one.startswith("mediapipe")]
    for extra, asked in (([], packages), (["--no-deps"], [w for w in wanted if w.startswith("mediapipe")])):
        require_resolved([*command, *extra, *asked])


@pytest.mark.parametrize(
    ("pip", "skips"),
    [
        ("import time; time.sleep(60)", True),
        ("sys.exit('WARNING: connection broken\\nERROR: No matching distribution found for rich')", True),
        ("sys.exit('ERROR: No matching distribution found for rich')", False),
    ],
)
def test_only_the_index_skips_and_never_a_missing_package(pip: str, skips: bool) -> None:
    with pytest.raises(pytest.skip.Exception if skips else AssertionError):
        require_resolved([sys.executable, "-c", f"import sys; {pip}"], limit_s=2 if "sleep" in pip else 60)


def test_the_default_command_is_understood(assets_dir: Path) -> None:
    """It fails for want of TensorRT or a GPU, not of a flag or a file."""
    words = next(line for line in instructions() if line.startswith("CMD"))
    arguments = re.findall(r'"([^"]*)"', words.removeprefix("CMD"))
    assert arguments[0] == "live"
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU: the command would really start")
    assert main(arguments) == 4


class TestPowerMode:
    def board(self, root: Path, model: str = "NVIDIA Jetson Orin Nano Developer Kit\0") -> Path:
        for folder in ("proc/device-tree", "var/lib/nvpmodel", "etc"):
            (root / folder).mkdir(parents=True)
        (root / "proc/device-tree/model").write_text(model)
        return root

    def test_it_is_read_with_its_name(self, tmp_path: Path) -> None:
        root = self.board(tmp_path)
        (root / "var/lib/nvpmodel/status").write_text("pmode:0002")
        (root / "etc/nvpmodel.conf").write_text(
            "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
        )
        assert jetson(root) == "NVIDIA Jetson Orin Nano Developer Kit; power mode 2 MAXN_SUPER"

    def test_a_container_without_the_files_says_what_to_mount(self, tmp_path: Path) -> None:
        assert "mount /var/lib/nvpmodel" in str(jetson(self.board(tmp_path)))
        (tmp_path / "var/lib/nvpmodel/status").write_text("pmode:0001")
        assert str(jetson(tmp_path)).endswith("power mode 1 (name unknown)")

    def test_other_machines_have_none(self, tmp_path: Path) -> None:
        assert jetson(tmp_path) is None
        assert jetson(self.board(tmp_path, "Raspberry Pi 5")) is None
