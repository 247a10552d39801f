"""Says what this machine is, so that measurements made on it are kept apart from others'."""

from __future__ import annotations

import os
import platform
import re
from math import ceil
from pathlib import Path

import platformdirs

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
CPU_INFO = Path("/proc/cpuinfo")
MOST_ENGINE_THREADS = 4


def cache_dir() -> Path:
    """Where measurements and compiled networks are kept; may be deleted at any time."""
    return Path(platformdirs.user_cache_dir("stream_mer"))


def cpu_model(info: Path = CPU_INFO) -> str:
    """The processor's name, with family and model, because virtual machines blur the name."""
    wanted = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
    try:
        pairs = (line.partition(":") for line in info.read_text(encoding="utf-8").splitlines())
        found = {key.strip(): value.strip() for key, _, value in reversed(list(pairs))}
    except OSError:  # not Linux
        found = {}
    words = [found[key] for key in wanted if key in found]
    return " ".join(words) or platform.processor() or platform.machine()


def usable_cores(quota: Path = CGROUP_QUOTA) -> int:
    """Cores this process may really use, at least 1.

    ``os.cpu_count`` sees every core of the host; a container's CPU quota and the process's affinity
    are smaller, and more threads than cores make inference slower.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        cores = min(cores, ceil(int(allowed) / int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        pass
    return max(1, cores)


def engine_threads(workers: int = 1, cores: int | None = None) -> int:
    """Threads for each engine of a run that is not in a hurry.

    A core of every worker's share is left for decoding, finding faces and drawing, which go on in threads of
    their own; engines this small gain little beyond four.

    Args:
        workers: runs at the same time on this machine.
        cores: of the machine; those usable here if None.

    >>> [engine_threads(1, cores) for cores in (1, 2, 4, 64)], engine_threads(8, 32)
    ([1, 1, 3, 4], 3)
    """
    cores = usable_cores() if cores is None else cores
    return max(1, min(MOST_ENGINE_THREADS, cores // workers - 1))


def is_busy() -> bool:
    """Whether others use this machine's cores now, so that a measurement would be too slow.

    Judged by the load average of the last minute: more than half of the cores is busy.
    """
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)


def jetson(root: Path = Path("/")) -> str | None:
    """Which Jetson this is and its power mode, for people; None on any other machine.

    The power mode decides how fast a Jetson is (15 W or MAXN differ by three times). NVIDIA's daemon keeps
    the mode's number in ``/var/lib/nvpmodel/status`` and its name in ``/etc/nvpmodel.conf``; a container
    sees them only if they were mounted.

    Args:
        root: of the file system; tests put a folder there.
    """
    try:
        model = (root / "proc/device-tree/model").read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return None
    if "jetson" not in model.lower():
        return None
    try:
        number = int((root / "var/lib/nvpmodel/status").read_text(encoding="utf-8").rpartition(":")[2])
    except (OSError, ValueError):
        return f"{model}; power mode unknown here: mount /var/lib/nvpmodel, or run 'nvpmodel -q' on the host"
    try:
        text = (root / "etc/nvpmodel.conf").read_text(encoding="utf-8")
    except OSError:
        text = ""
    names = {
        int(num): name for num, name in re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", text)
    }
    return f"{model}; power mode {number} {names.get(number, '(name unknown)')}"
