"""Five training steps of the true networks, small, on other devices and in other processes.

    python benchmarks/topologies.py

Prints a row for each precision and topology: the largest relative difference of any term of the
losses from that of one device, in the first step and in all five. The learning rate is low, because
AdamW's first steps are as long for a gradient of rounding errors as for any other: another order of
sums grows with the rate.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-m", "haqagen_jax"]
SETTINGS = (
    *("model.d_state=2", "model.spade_hidden=4", "model.hsv_width=4", "model.critic_width=4"),
    *("data.precrop=0", "loss.delta=0", "train.steps=5", "train.batch_size=4"),
    *("train.log_every=1", "train.validate_every=5", "train.checkpoint_every=5", "train.ema=0.9"),
)
# Devices of each process, processes, neighbors that share the state.
ONE = (1, 1, 1)
TOPOLOGIES = {
    "2 processes of 2 devices, 2 share the state": (2, 2, 2),
}


def main() -> None:
    """Train on every topology, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--precision", nargs="+", default=["float64"])
    parser.add_argument("--rate", type=float, default=1e-7, help="default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, f = Path(folder, "data"), Path(folder, "f")
        call("dataset", "build", "synthetic", "--out", data, "--count", 12, "--size", "256x256")
        call("pretrain-texture", *run_arguments(data, f, "texture.steps=10"))
        print("| precision | topology | first step | five steps |")
        print("|---|---|--:|--:|", flush=True)
        for precision in args.precision:
            compare(data, f, precision, args.rate)


def compare(data: Path, f: Path, precision: str, rate: float) -> None:
    """Measure and print the rows of one precision."""
    expected = five_steps(data, f, precision, rate, *ONE)
    for name, topology in TOPOLOGIES.items():
        losses = five_steps(data, f, precision, rate, *topology)
        worst = [
            max(abs(ours[term] - x) / abs(x) for term, x in theirs.items())
            for ours, theirs in zip(losses, expected, strict=True)
        ]
        row = (precision, name, f"{worst[0]:.1e}", f"{max(worst):.1e}")
        print(f"| {' | '.join(row)} |", flush=True)


def five_steps(
    data: Path, f: Path, precision: str, rate: float, devices: int, processes: int, fsdp: int
) -> list[dict[str, float]]:
    """Train five steps; return the terms of the losses, step by step."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder, "run")
        (workdir / "texture").mkdir(parents=True)
        for file in (f / "texture").iterdir():
            (workdir / "texture" / file.name).write_bytes(file.read_bytes())
        settings = (
            *(f"train.precision={precision}", f"train.fsdp={fsdp}"),
            *(f"optim.learning_rate={rate}", f"optim.final_learning_rate={rate}"),
        )
        launcher = [sys.executable, ROOT / "launch/local.py", "--processes", processes]
        call(
            "train",
            *run_arguments(data, workdir, *settings),
            launcher=launcher if processes > 1 else (),
            JAX_ENABLE_X64=str(int(precision == "float64")),
            XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}",
            NPROC=str(8 * devices),  # threads of XLA's pool; see launch/cpu.sh
        )
        text = (workdir / "metrics.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    return [
        {k: v for k, v in line.items() if k.startswith("train/") and is_loss(k)}
        for line in records
        if "train/generator" in line
    ]


def is_loss(name: str) -> bool:
    """Return whether a metric is a loss, not a gradient's norm or the critics' accuracy."""
    return "gradient" not in name and "accuracy" not in name


def run_arguments(data: Path, workdir: Path, *settings: str) -> list:
    """Return the arguments of a training command."""
    words = ["--data", data, "--workdir", workdir, "--config", "configs/haqagen.py:tiny"]
    for setting in (*SETTINGS, *settings):
        words += ["--set", setting]
    return words


def call(*words: object, launcher: tuple | list = (), **environment: str) -> None:
    """Run `haqagen`; if it fails, exit with its output."""
    command = [str(word) for word in (*launcher, *PROGRAM, *words)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"} | environment
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
