"""Training runs in their own processes: as many as asked for, each with its own devices."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 900  # seconds that a run may take

SETTINGS = (
    *("model.width=8", "model.d_state=2", "model.spade_hidden=4", "model.hsv_width=4"),
    *("model.critic_width=4", "data.precrop=0", "loss.delta=0", "optim.learning_rate=1e-3"),
    "optim.final_learning_rate=0",
    *("train.steps=10", "train.batch_size=8", "train.log_every=1", "train.validate_every=10"),
    *("train.checkpoint_every=10", "train.ema=0.9"),
)
STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
TRUE = (sys.executable, "-m", "haqagen_jax")
NO_F = ("loss.alpha=0", "loss.gamma=0")


def command(
    data: Path, workdir: Path, *settings: str, processes: int = 1, program: tuple = STAND_IN
) -> list[str]:
    """Return the words of a run; later settings win."""
    launcher = [sys.executable, str(ROOT / "launch" / "local.py"), "--processes", str(processes)]
    words = [*program, "train", "--data", str(data), "--workdir", str(workdir)]
    for setting in (*SETTINGS, *settings):
        words += ["--set", setting]
    return words if processes == 1 else [*launcher, *words]


def environment(*, devices: int = 1, float64: bool = False, cache: Path | None = None) -> dict:
    """Return the environment of a process with some virtual devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    names = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "COLUMNS": "200"}
    names["NPROC"] = str(8 * devices)  # threads of XLA's pool; see launch/cpu.sh
    if float64:
        names["JAX_ENABLE_X64"] = "1"
    if cache is not None:
        names |= {"JAX_COMPILATION_CACHE_DIR": str(cache)}
        names |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3"}
    return os.environ | names


def run(words: list[str], env: dict, *, status: int = 0) -> str:
    """Run a command to its end, and return its output, which must end with a status."""
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def terms(workdir: Path) -> dict[int, dict[str, float]]:
    """Return the record of each step, without what depends on the clock."""
    found: dict[int, dict[str, float]] = {}
    for line in (workdir / "metrics.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        kept = {k: v for k, v in record.items() if k.split("/")[0] in ("train", "validation")}
        found.setdefault(record["step"], {}).update(kept)
    return found


def fingerprint(said: str) -> str:
    """Return the SHA-256 that a run, or `haqagen info`, ended with."""
    [digest] = re.findall(r"SHA-256 ([0-9a-f]{64})", said)
    return digest


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
