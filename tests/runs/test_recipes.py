"""The recipes: published metrics, schedules exact to the step, and commands that the parsers accept."""

import argparse
import pathlib
import shlex

import keras
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.cli import evaluate, train
from keras_centernet.networks.normalization import NORMALIZATIONS
from keras_centernet.networks.table import BACKBONES
from keras_centernet.runs.optimizers import build_optimizer, build_schedule
from keras_centernet.runs.recipes import load_recipe, recipe_names
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.tasks.table import find_task

ROOT = pathlib.Path(__file__).parents[2]
# From the authors' tables: (images per step, learning rate, epochs, epochs of its drops, hours, GPUs).
TRAININGS = {
    "coco_hourglass104": (24, 2.5e-4, 50, (40,), 109, 5),
    "coco_dla34_1x": (128, 5e-4, 140, (90, 120), 57, 8),
    "coco_dla34_2x": (128, 5e-4, 230, (180, 210), 92, 8),
    "coco_resnet101": (96, 3.75e-4, 140, (90, 120), 65, 8),
    "coco_resnet18": (114, 5e-4, 140, (90, 120), 28, 4),
    "voc_dla34_384": (32, 1.25e-4, 70, (45, 60), 15, 1),
    "voc_dla34_512": (32, 1.25e-4, 70, (45, 60), 15, 2),
    "voc_resnet18_384": (32, 1.25e-4, 70, (45, 60), 3, 1),
    "voc_resnet18_512": (32, 1.25e-4, 70, (45, 60), 5, 1),
    "voc_resnet101_384": (32, 1.25e-4, 70, (45, 60), 7, 2),
    "voc_resnet101_512": (32, 1.25e-4, 70, (45, 60), 7, 4),
    "kitti_3dop": (16, 1.25e-4, 70, (45, 60), 7, 2),
    "kitti_subcnn": (16, 1.25e-4, 70, (45, 60), 7, 2),
    "pose_dla34_1x": (128, 5e-4, 140, (90, 120), 30, 8),
    "pose_dla34_3x": (128, 5e-4, 320, (270, 300), 70, 8),
    "pose_hourglass104_1x": (24, 2.5e-4, 50, (40,), 62, 5),
    "pose_hourglass104_3x": (24, 2.5e-4, 150, (130,), 188, 5),
}
OWN = ("detection",)
METRICS = {
    "coco_hourglass104": {"AP": {"none": 40.3, "flip": 42.2, "multi_scale": 45.1}},
    "coco_dla34_1x": {"AP": {"none": 36.3, "flip": 38.2, "multi_scale": 40.7}},
    "coco_dla34_2x": {"AP": {"none": 37.4, "flip": 39.2, "multi_scale": 41.7}},
    "coco_resnet101": {"AP": {"none": 34.6, "flip": 36.2, "multi_scale": 39.3}},
    "coco_resnet18": {"AP": {"none": 28.1, "flip": 30.0, "multi_scale": 33.2}},
    "voc_dla34_384": {"mAP50": {"flip": 79.3}},
    "voc_dla34_512": {"mAP50": {"flip": 80.7}},
    "voc_resnet18_384": {"mAP50": {"flip": 72.6}},
    "voc_resnet18_512": {"mAP50": {"flip": 75.7}},
    "voc_resnet101_384": {"mAP50": {"flip": 77.1}},
    "voc_resnet101_512": {"mAP50": {"flip": 78.7}},
    "kitti_3dop": {
        "AP": {"easy": 96.9, "moderate": 87.8, "hard": 79.2},
        "AOS": {"easy": 93.9, "moderate": 84.3, "hard": 75.7},
        "BEV": {"easy": 34.0, "moderate": 30.5, "hard": 26.8},
    },
    "kitti_subcnn": {
        "AP": {"easy": 89.6, "moderate": 79.8, "hard": 70.3},
        "AOS": {"easy": 85.7, "moderate": 75.2, "hard": 65.9},
        "BEV": {"easy": 34.9, "moderate": 27.7, "hard": 26.4},
    },
    "pose_dla34_1x": {"OKS_AP": {"flip": 54.7}},
    "pose_dla34_3x": {"OKS_AP": {"flip": 58.9}},
    "pose_hourglass104_1x": {"OKS_AP": {"flip": 58.7}},
    "pose_hourglass104_3x": {"OKS_AP": {"none": 61.9, "flip": 64.0}},
}
# {data in a recipe's name: (task, input, statistics, placing, flip, colours, max_objects, empty images)}
DATA = {
    "coco": ("detection", 512, "published", "crop", 0.5, True, 128, True),
    "voc": ("detection", None, "published_voc_kitti", "crop", 0.5, True, 50, True),
    "kitti": ("detection_3d", (384, 1280), "published_voc_kitti", "zoom_half", 0, False, 50, True),
    "pose": ("pose", 512, "published", "crop", 0.5, True, 32, False),
}
# The learning rate is 1.25e-4 per 32 images, except for these.
OTHER_RATES = ("hourglass104", "coco_resnet18", "kitti")
every_recipe = pytest.mark.parametrize("name", TRAININGS)


def settings_of(name):
    return TrainSettings(data="somewhere", **load_recipe(name).settings)


def test_every_published_row_has_a_recipe():
    assert set(recipe_names()) == {*TRAININGS, *OWN}


@pytest.mark.parametrize("name", OWN)
def test_a_recipe_of_our_own_was_trained_here_and_builds_its_model(name):
    recipe, settings = load_recipe(name), settings_of(name)
    assert recipe.published["retrained_here"] is True
    model = CenterNet(
        settings.backbone,
        settings.task,
        num_classes=2,
        input_size=settings.input_size,
        task_options=settings.task_options,
        head_losses=settings.head_losses,
        loss_weights=settings.loss_weights,
    )
    assert model.task_options == settings.task_options
    program, command, *arguments = shlex.split(recipe.commands["train"])
    assert (program, command) == ("keras-centernet", "train")
    parser = argparse.ArgumentParser(exit_on_error=False)
    train.add_arguments(parser)
    typed = train.build_settings(parser.parse_args(arguments))
    assert {key: getattr(typed, key) for key in recipe.settings} == recipe.settings
    assert (typed.recipe, typed.output) == (name, f"runs/{name}")


@every_recipe
def test_metrics_are_the_published_ones(name):
    recipe = load_recipe(name)
    assert recipe.metrics == METRICS[name]
    assert (recipe.published["hours"], recipe.published["gpus"]) == TRAININGS[name][4:]
    assert recipe.published["retrained_here"] is False


@every_recipe
def test_the_training_is_the_published_one(name):
    data, backbone, *rest = name.split("_")
    task, size, normalization, augmentation, flip, color, max_objects, empty_images = DATA[data]
    settings = settings_of(name)
    assert settings.backbone == (backbone if backbone in BACKBONES else "dla34")
    assert (settings.task, settings.input_size) == (task, size or int(rest[0]))
    assert (settings.normalization, settings.augmentation) == (normalization, augmentation)
    assert (settings.flip, settings.color) == (flip, color)
    assert (settings.max_objects, settings.empty_images) == (max_objects, empty_images)
    assert (settings.batch_size, settings.learning_rate, settings.epochs) == TRAININGS[name][:3]
    assert (settings.average_decay, settings.evaluate_every, settings.seed) == (0, 5, 317)
    assert settings.deformable_rate == 1
    optimizer = build_optimizer(settings, 10)
    assert type(optimizer) is keras.optimizers.Adam
    assert (optimizer.epsilon, optimizer.weight_decay, optimizer.global_clipnorm) == (1e-8, None, None)


@every_recipe
def test_every_name_in_a_recipe_exists(name):
    settings = settings_of(name)
    assert settings.normalization in NORMALIZATIONS
    assert find_task(settings.task, ("a", "b"), options=settings.task_options).name == settings.task
    if settings.backbone_weights:
        assert BACKBONES[settings.backbone].takes_imagenet_file  # its ImageNet weights come from a file
    assert bool(settings.weights) != bool(settings.backbone_weights)


@every_recipe
def test_the_learning_rate_grows_with_the_batch(name):
    settings = settings_of(name)
    of_the_rule = 1.25e-4 * settings.batch_size / 32
    is_of_the_rule = settings.learning_rate == pytest.approx(of_the_rule)
    assert is_of_the_rule == (not any(part in name for part in OTHER_RATES))


@every_recipe
def test_the_rate_drops_with_the_first_step_after_the_listed_epochs(name):
    settings, steps_per_epoch = settings_of(name), 7
    schedule = build_schedule(settings, steps_per_epoch)
    rate, drops = TRAININGS[name][1], TRAININGS[name][3]
    for number, epoch in enumerate(drops, start=1):
        first_step_after = epoch * steps_per_epoch  # steps and epochs count from zero
        assert float(schedule(first_step_after - 1)) == pytest.approx(rate / 10 ** (number - 1))
        assert float(schedule(first_step_after)) == pytest.approx(rate / 10**number)
    assert float(schedule(0)) == pytest.approx(rate)
    assert float(schedule(settings.epochs * steps_per_epoch - 1)) == pytest.approx(rate / 10 ** len(drops))


def parse(command, module):
    """Parses a command line with the script's real parser."""
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", f"training/{module.__name__.split('.')[-1]}.py")
    assert (ROOT / script).is_file()
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)
    return parser.parse_args(arguments)


@every_recipe
def test_the_training_command_is_the_recipe(name):
    args = parse(load_recipe(name).commands["train"], train)
    settings = train.build_settings(args)
    expected = load_recipe(name).settings
    assert {key: getattr(settings, key) for key in expected} == expected
    assert (settings.recipe, settings.output) == (name, f"runs/{name}")
    assert settings.data == {"coco": "coco/", "pose": "coco/", "voc": "voc/", "kitti": "kitti/"}[name.split("_")[0]]


# {data in a recipe's name: (folder, split, resizing, conditions besides the plain one)}
EVALUATION = {
    "coco": ("coco/", "val2017", "keep", ("flip", "multi_scale")),
    "voc": ("voc/", "test2007", "fit", ("flip",)),
    "kitti_3dop": ("kitti/", "3dop_val", "fit", ()),
    "kitti_subcnn": ("kitti/", "subcnn_val", "fit", ()),
    "pose": ("coco/", "val2017", "keep", ("flip",)),
}
ADDED = {"flip": " --flip", "multi_scale": " --flip --scales 0.5,0.75,1,1.25,1.5"}


@every_recipe
def test_the_evaluation_commands_are_the_published_tests_and_can_be_parsed(name):
    commands = load_recipe(name).commands
    folder, split, resize, conditions = EVALUATION[name if name in EVALUATION else name.split("_")[0]]
    plain = (
        f"python training/evaluate.py --model runs/{name}/best.keras --data {folder} --split {split} "
        f"--resize {resize} --no-clip --round"
    )
    expected = {"evaluate": plain, **{f"evaluate_{one}": plain + ADDED[one] for one in conditions}}
    assert {key: shlex.split(line) for key, line in commands.items() if key != "train"} == {
        key: shlex.split(line) for key, line in expected.items()
    }
    assert load_recipe(name).settings["val_split"] == split
    parsed = [parse(line, evaluate) for line in expected.values()]
    assert all(args.model == f"runs/{name}/best.keras" for args in parsed)
    assert len({str(args) for args in parsed}) == len(parsed)  # no two commands are parsed alike
    for option in (" --no-clip", " --round"):
        assert str(parse(plain.replace(option, ""), evaluate)) != str(parsed[0])


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_a_users_own_recipe_file(tmp_path):
    path = write(tmp_path, "[train]\nepochs = 3\ninput_size = [64, 128]\nlearning_rate = 1\ncolor = false\n")
    recipe = load_recipe(path)
    assert recipe.name == "mine"
    assert recipe.settings == {"epochs": 3, "input_size": (64, 128), "learning_rate": 1, "color": False}
    assert recipe.metrics == {}


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"--recipe: expected one of coco_dla34_1x, .*, got 'coco_dla35'"):
        load_recipe("coco_dla35")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepoch = 3", r"unknown key 'epoch' in \[train\], expected options such as epochs,"),
        ("[train]\noutput = 'x'", r"unknown key 'output' in \[train\]"),
        ("[train]\nepochs = 'three'", r"epochs in \[train\]: expected a whole number of at least 1, got 'three'"),
        ("[train]\nepochs = true", r"epochs in \[train\]: expected a whole number of at least 1, got True"),
        (
            "[train]\nlearning_rate = '1e-4'",
            r"learning_rate in \[train\]: expected a number above 0 and at most 1000, got '1e-4'",
        ),
        ("[train]\ncolor = 1", r"color in \[train\]: expected true or false, got 1"),
        ("[train]\nstep_epochs = [90, 'x']", r"step_epochs in \[train\]: expected a whole number, got 'x'"),
        ("[train]\nstep_epochs = 90", r"step_epochs in \[train\]: expected a list, each a whole number, got 90"),
        (
            "[train]\ninput_size = [1, 2, 3]",
            r"input_size in \[train\]: expected a positive multiple of 32 or a .height, width. pair",
        ),
        ("[train]\nbackbone = 3", r"backbone in \[train\]: expected a text, got 3"),
        ("[train]\ntask_options = 'a=b'", r"task_options in \[train\]: expected names with values, got 'a=b'"),
        ("[train]\nschedule = 'wave'", r"schedule in \[train\]: expected one of cosine, step, constant, got 'wave'"),
        ("[train]\nepochs = 9\nschedule = 'step'\nstep_epochs = [9]", "step_epochs: expected ascending numbers below"),
        ("epochs = 3", r"expected the tables \[train\], \[published\], \[commands\], got 'epochs'"),
        ("[published]\nhours = 3", r"expected a table \[train\] of settings, it is missing"),
        ("[train", "expected a recipe in TOML, got other text: "),
    ],
)
def test_mistakes_in_a_file_name_file_and_key(tmp_path, text, message):
    with pytest.raises(UserError, match=rf"mine\.toml: {message}") as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.toml: expected a file, got none"):
        load_recipe(tmp_path / "nowhere.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"bytes\.toml, line 1: expected text in UTF-8"):
        load_recipe(path)
