"""The same numbers on one device, on eight, and in two processes."""

import numpy as np
import pytest
from commands import NO_F, command, environment, run, terms

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}  # of the losses
# AdamW makes a whole step of a gradient that is all rounding, as that of the critics' last bias: a
# low rate keeps that out of the terms in float32.
RATE = {"float32": 1e-7, "float64": 1e-3}
LOOSER = 10  # for what is none: gradients' norms and the critics' accuracy
# Devices of each process, processes, and neighbors that share the state.
TOPOLOGIES = {"8 devices": (8, 1, 1), "4 x 2 devices": (8, 1, 2), "2 processes": (2, 2, 2)}


def assert_equal(ours: dict, theirs: dict, *, relative: float) -> None:
    """Every term of every step, against its own size; validation is computed in float32."""
    assert ours.keys() == theirs.keys()
    for step, expected in theirs.items():
        assert ours[step].keys() == expected.keys()
        for name, value in expected.items():
            allowed = relative if is_loss(name) else LOOSER * relative
            if name.startswith("validation/"):
                allowed = max(relative, 1e-5)
            np.testing.assert_allclose(
                ours[step][name], value, rtol=allowed, err_msg=f"step {step}: {name}"
            )


def of(precision: str) -> tuple[str, ...]:
    """Settings of a precision."""
    return (*NO_F, f"train.precision={precision}", f"optim.learning_rate={RATE[precision]}")


def is_loss(name: str) -> bool:
    return not name.startswith(("train/gradient", "train/critic_accuracy", "validation/"))


# float64 says more, so float32 is not tried every time.
@pytest.fixture(scope="module", params=[pytest.param("float32", marks=pytest.mark.slow), "float64"])
def single(request, data, tmp_path_factory):
    """The record of ten steps on one device, and its precision."""
    workdir = tmp_path_factory.mktemp("single")
    env = environment(float64=request.param == "float64")
    run(command(data, workdir, *of(request.param)), env)
    record = terms(workdir)
    assert len(record) == 10
    return record, request.param


# Two processes that share the state say most.
@pytest.mark.parametrize(
    "topology",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in list(TOPOLOGIES)[:2]), "2 processes"],
)
def test_ten_steps_elsewhere_have_the_same_terms(single, data, tmp_path, topology):
    record, precision = single
    devices, processes, fsdp = TOPOLOGIES[topology]
    settings = (*of(precision), f"train.fsdp={fsdp}")
    words = command(data, tmp_path, *settings, processes=processes)
    said = run(words, environment(devices=devices, float64=precision == "float64"))
    # One process speaks for all, and what it says to do next can be done as it stands.
    assert said.count("color with: haqagen colorize PHOTO -o colored --model ") == 1
    assert_equal(terms(tmp_path), record, relative=TOLERANCE[precision])
