"""Files of configs/, their arguments, and overrides from the command line."""

import dataclasses
from pathlib import Path

import jax
import pytest

from haqagen_jax.config.load import DEFAULT, SIZES, load_config
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError
from haqagen_jax.models.factory import count_parameters
from haqagen_jax.train.state import create_state

COLORMAMBA = "configs/colormamba.py:"
CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_paper_preset_is_the_defaults():
    assert load_config(f"{DEFAULT}:paper") == load_config(DEFAULT) == Config()


SETS = {"vcip2020": 0, "fanvid": 384, "omsiv": 0, "rgb2nir": 384}  # Sec. 4.1: the first crop
FEATURES = ("alpha", "beta", "gamma", "delta", "ssim")
ROWS = {  # weights of `FEATURES`, and whether the decoder sees the HSV prediction
    "colormamba": ((1.0, 0.0, 1.0, 0.0, 1.0), True),
    "vgg": ((0.0, 0.0, 0.0, 0.2, 0.0), True),
    "histogram": ((0.0, 1.5, 0.0, 0.0, 0.0), True),
    "texture": ((1.0, 0.0, 1.0, 0.0, 0.0), True),
    "full": ((1.0, 1.5, 1.0, 0.2, 0.0), True),
    "without_spade": ((1.0, 1.5, 1.0, 0.2, 0.0), False),
    "with_spade": ((1.0, 1.5, 1.0, 0.2, 0.0), True),
}


def test_every_file_of_configs_is_tested():
    files = {path.stem for path in CONFIGS.glob("*.py")}
    assert files == {"haqagen", "ablations", "colormamba", "fast", "nir_from_color", *SETS}


@pytest.mark.parametrize(
    ("name", "architecture", "direction"),
    [("fast", "prior", "nir_to_rgb"), ("nir_from_color", "nir_from_color", "rgb_to_nir")],
)
def test_networks_that_see_whole_images(name, architecture, direction):
    config = load_config(f"configs/{name}.py")
    assert config.model.architecture == architecture
    assert config.data.direction == direction
    assert config.data.whole
    state = jax.eval_shape(lambda key: create_state(key, config, steps=10), jax.random.key(0))
    assert count_parameters(state.generator["params"]) < 4_000_000


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("size", ["", *SIZES])
def test_a_set_is_the_recipe_with_its_crops(name, size):
    config = load_config(f"configs/{name}.py:{size}" if size else f"configs/{name}.py")
    recipe = load_config(f"{DEFAULT}:{size or 'paper'}")
    assert config.data == dataclasses.replace(recipe.data, precrop=SETS[name])
    assert dataclasses.replace(config, data=recipe.data) == recipe
    assert config.train.ema == {"": 0, "paper": 0, "base": 0.999, "small": 0.99, "tiny": 0}[size]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("size", ["paper", "tiny"])
def test_a_row_of_the_tables_is_the_recipe_with_its_difference(row, size):
    config = load_config(f"configs/ablations.py:{row},{size}")
    recipe = load_config(f"configs/vcip2020.py:{size}")
    weights, conditioned = ROWS[row]
    assert tuple(getattr(config.loss, name) for name in FEATURES) == weights
    assert config.model.hsv_spade == conditioned
    loss = dataclasses.replace(recipe.loss, **dict(zip(FEATURES, weights, strict=True)))
    model = dataclasses.replace(recipe.model, hsv_spade=conditioned)
    assert config == dataclasses.replace(recipe, loss=loss, model=model)
    shapes = jax.eval_shape(lambda key: create_state(key, config, steps=9), jax.random.key(0))
    assert shapes.generator["params"].keys() == {"rgb_branch", "hsv_branch"}


@pytest.mark.parametrize("name", ["", *SETS])
@pytest.mark.parametrize("size", SIZES)
def test_colormamba_is_the_sets_recipe_with_its_networks_and_losses(name, size):
    config = load_config(f"configs/colormamba.py:{name},{size}" if name else COLORMAMBA + size)
    recipe = load_config(f"configs/{name or 'vcip2020'}.py:{size}")
    rest = (config.data, config.optim, config.train, config.texture)
    assert rest == (recipe.data, recipe.optim, recipe.train, recipe.texture)
    own = {"architecture": "colormamba", "hsv_width": recipe.model.width // 2}
    model = dataclasses.replace(recipe.model, even_upsampling=False, **own)
    assert config.model == model
    loss = config.loss
    assert tuple(getattr(loss, weight) for weight in FEATURES) == ROWS["colormamba"][0]
    # Its code: L_adv + 100 (20 (MSE + L_rec) of RGB + (MSE + L_rec) of HSV).
    assert (loss.mse, loss.feature, loss.adversarial) == (100 * 20, 100 * 20, 1)
    assert (loss.mse * loss.hsv, loss.feature * loss.hsv) == (100, 100)
    assert (loss.adversary, loss.ssim_scales) == ("least_squares", 5)
    assert (loss.hue, config.data.preparation) == ("linear", "haqagen")


def test_other_sets_and_sizes_of_colormamba_are_refused():
    assert load_config(COLORMAMBA[:-1]) == load_config(f"{COLORMAMBA}vcip2020,paper")
    with pytest.raises(InputError, match="size = 'huge': must be one of paper, base"):
        load_config(f"{COLORMAMBA}fanvid,huge")
    with pytest.raises(InputError, match=r"configs/kaist\.py: no such configuration file"):
        load_config(f"{COLORMAMBA}kaist,tiny")


def test_other_rows_and_sizes_are_refused():
    with pytest.raises(InputError, match="row = 'mse': must be one of colormamba, vgg, "):
        load_config("configs/ablations.py:mse")
    with pytest.raises(InputError, match="size = 'huge': must be one of paper, base"):
        load_config("configs/ablations.py:full,huge")
    assert load_config("configs/ablations.py") == load_config("configs/vcip2020.py")


@pytest.mark.parametrize("size", SIZES)
def test_every_size_builds_an_abstract_state(size):
    config = load_config(f"configs/haqagen.py:{size}")
    state = jax.eval_shape(lambda key: create_state(key, config, steps=9), jax.random.key(0))
    # Two moments of AdamW for every parameter, and two counters.
    params = count_parameters(state.generator["params"])
    assert count_parameters(state.generator_opt) == 2 * params + 2
    if size == "paper":  # Sec. 3.3: "about 4M"
        assert 3.6e6 < count_parameters(state.generator["params"]["hsv_branch"]) < 4.4e6
    if size == "small":  # the bundled model is stored in float16, within 12 MB
        assert 2 * params < 12e6


def test_the_small_one_learns_from_few_upright_photographs():
    config = load_config("configs/haqagen.py:small")
    data, train = config.data, config.train
    assert (data.equalize, data.rotate) == (False, False)
    assert (config.optim.learning_rate, config.optim.final_learning_rate) == (1e-3, 1e-5)
    assert (train.steps, train.batch_size, config.loss.mse) == (850, 4, 15.0)
    assert (train.log_every, train.validate_every, train.checkpoint_every) == (17, 85, 85)
    assert config.model.even_upsampling


def test_it_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(f"{DEFAULT}:paper") == Config()


def test_a_file_of_the_users_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config(seed='3'):\n"
        "    return ConfigDict({'train': {'seed': int(seed)}})\n"
    )
    assert load_config(str(path)).train.seed == 3
    assert load_config(f"{path}:5").train.seed == 5
    with pytest.raises(InputError, match=r"mine\.py: invalid literal"):
        load_config(f"{path}:five")


def test_overrides():
    config = load_config(
        f"{DEFAULT}:tiny",
        [
            *("train.steps=30", "loss.delta = 0", "data.rgb_transfer=linear", "data.rotate=false"),
            *("data.nir_percentiles=(1, 99)", "data.flip=0.25", "texture.steps=5"),
        ],
    )
    assert (config.train.steps, config.loss.delta, config.data.flip) == (30, 0.0, 0.25)
    assert (config.data.rgb_transfer, config.data.rotate) == ("linear", False)
    assert config.data.nir_percentiles == (1.0, 99.0)
    assert config.model == load_config(f"{DEFAULT}:tiny").model


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps", r"--set train\.steps: must be section\.key=value"),
        ("steps=3", r"--set steps=3: must be section\.key=value"),
        ("train.stesp=3", r"train\.stesp: unknown key .* did you mean train\.steps\?"),
        ("trian.steps=3", r"trian: unknown section .* did you mean train\?"),
        ("train.steps=three", r"train\.steps = 'three': must be of type int"),
        ("train.steps=", r"train\.steps = '': must be of type int"),
        ("loss.delta=1e999", r"loss\.delta = inf: must be a finite number"),
        ("loss.delta=1" + "0" * 400, r"loss\.delta = 10+: must be a finite number"),
        ("train.steps={[]: 1}", r"train\.steps = '\{\[\]: 1\}': must be of type int"),
        ("train.steps=-1", r"train\.steps = -1: must be 0 or more"),
    ],
)
def test_a_bad_override_is_named(override, message):
    with pytest.raises(InputError, match=message):
        load_config(DEFAULT, [override])


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.py: no such configuration file; try --config"):
        load_config("nowhere.py:small")
    with pytest.raises(InputError, match="size = 'huge': must be one of paper, base, small, tiny"):
        load_config(f"{DEFAULT}:huge")
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: not a Python file"):
        load_config(str(other))
    empty = tmp_path / "empty.py"
    empty.write_text("")
    with pytest.raises(InputError, match=r"empty\.py: must define get_config"):
        load_config(str(empty))
    broken = tmp_path / "broken.py"
    broken.write_text("def get_config(:\n")
    with pytest.raises(InputError, match=r"broken\.py: SyntaxError: .*correct the file") as caught:
        load_config(str(broken))
    assert "\n" not in str(caught.value)
    leaving = tmp_path / "leaving.py"
    leaving.write_text("import sys\nsys.exit('bye')\n")
    with pytest.raises(InputError, match=r"leaving\.py: SystemExit: bye; correct the file"):
        load_config(str(leaving))
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def get_config():\n    return 3\n")
    with pytest.raises(InputError, match=r"wrong\.py: get_config must return a ConfigDict"):
        load_config(str(wrong))
