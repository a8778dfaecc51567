"""Data without splits, changed classes, and separate data for evaluation, through the commands."""

import json
import shutil

import pytest

from keras_centernet.cli import main
from keras_centernet.networks.table import BACKBONES
from tests.helpers.tiny_backbone import TINY, TINY_ROW

TRAIN = f"--backbone {TINY} --input-size 64 --batch-size 2 --verbose 0"


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, TINY, TINY_ROW)


@pytest.fixture
def pool(photos, tmp_path):
    """The photos without their split lists."""
    folder = tmp_path / "pool"
    shutil.copytree(photos, folder, ignore=shutil.ignore_patterns("ImageSets"))
    return folder


def train(data, output, *more):
    return main(["train", "--data", str(data), "--output", str(output), *TRAIN.split(), *map(str, more)])


def evaluate(model, data, output, *more):
    places = ["--model", str(model), "--data", str(data), "--output", str(output), "--overwrite"]
    assert main(["evaluate", *places, *map(str, more)]) == 0
    return json.loads(output.read_text())


@pytest.mark.slow
def test_a_run_holds_images_out_records_them_and_is_measured_on_them(pool, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(pool, run, "--epochs", 1, "--val-share", 0.3) == 0
    parts = json.loads((run / "split.json").read_text())["parts"]
    held_out = len(parts["val"])
    assert held_out in (2, 3, 4)
    assert len(parts["train"]) == 10 - held_out
    assert set(parts["train"]) | set(parts["val"]) == {f"JPEGImages/photo{i}.jpg" for i in range(10)}
    assert json.loads((run / "metrics.json").read_text())["images"] == held_out
    assert f"val is {held_out} of 10 images" in capsys.readouterr().out

    # An added image would change a new split. The run keeps its own split, even after the folder has moved.
    moved = tmp_path / "elsewhere" / "pool"
    shutil.copytree(pool, moved)
    shutil.copy(moved / "JPEGImages" / "photo0.jpg", moved / "JPEGImages" / "new.jpg")
    text = (moved / "Annotations" / "photo0.xml").read_text()
    (moved / "Annotations" / "new.xml").write_text(text.replace("photo0", "new"))
    with pytest.warns(UserWarning, match="1 image.s. left out, they are not in the split that was made before"):
        assert evaluate(run / "best.keras", moved, tmp_path / "m.json")["images"] == held_out
    # A folder of another name counts as other data, which are measured as a whole.
    other = pool.rename(tmp_path / "other")
    assert evaluate(run / "best.keras", other, tmp_path / "m.json")["images"] == 10
    assert evaluate(run / "best.keras", moved, tmp_path / "m.json", "--split", "all")["images"] == 11


@pytest.mark.slow
def test_giving_both_splits_one_name_holds_a_part_of_it_out(photos, tmp_path):
    run = tmp_path / "run"
    assert train(photos, run, "--epochs", 1, "--val-split", "train") == 0
    made = json.loads((run / "split.json").read_text())
    assert made["holds_out"] == "train"
    held_out = len(made["parts"]["val"])
    assert len(made["parts"]["train"]) == 6 - held_out
    assert evaluate(run / "best.keras", photos, tmp_path / "m.json")["images"] == held_out
    assert evaluate(run / "best.keras", photos, tmp_path / "m.json", "--split", "train")["images"] == 6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--split", "all"], "got 4 of 4 in "),
        (["--split", "all", "--val-split", "train"], "hold a part out by giving both splits one name"),
        (["--val-share", 1.0], "--val-share: expected a number of at least 0 and below 1, got 1.0"),
        (["--class-map", "cat"], "--class-map: expected OLD=NEW,... such as car=vehicle,van=vehicle, got 'cat'"),
        (["--classes", "Cat,Dog"], "expected objects of the classes [Cat, Dog], got only others: cat (3), dog (3)"),
    ],
)
def test_a_mistake_is_one_line(more, message, photos, tmp_path, capsys):
    assert train(photos, tmp_path / "run", *more) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_other_data_to_evaluate_on(photos, pool, tmp_path):
    assert train(pool, tmp_path / "run", "--epochs", 1, "--val-data", photos, "--val-split", "val") == 0
    assert not (tmp_path / "run" / "split.json").exists()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["val_data"] == str(photos)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["images"] == 4


@pytest.mark.slow
def test_a_resumed_run_keeps_its_split_and_its_classes(pool, tmp_path, capsys):
    run, more = tmp_path / "run", ("--epochs", 1, "--classes", "dog,cat")
    assert train(pool, run, *more) == 0
    made = (run / "split.json").read_bytes()
    assert train(pool, run, *more, "--resume") == 0
    assert (run / "split.json").read_bytes() == made
    capsys.readouterr()
    assert train(pool, run, "--epochs", 1, "--classes", "cat,dog", "--resume") == 2
    assert "--resume: expected the run's classes in their order, [dog, cat], got [cat, dog]." in capsys.readouterr().err


@pytest.mark.slow
def test_classes_in_common_are_measured(photos, pool, tmp_path):
    run = tmp_path / "run"
    assert train(photos, run, "--epochs", 1) == 0
    for path in sorted((pool / "Annotations").glob("*.xml")):
        path.write_text(path.read_text().replace("<name>cat", "<name>tiger").replace("<name>dog", "<name>Dog"))
    with pytest.warns(UserWarning, match=r"5 object.s. of .* left out.*first: tiger .5."):
        metrics = evaluate(run / "best.keras", pool, tmp_path / "m.json", "--ignore-case")
    assert metrics["objects"] == 5
    with pytest.warns(UserWarning, match="Dog .5.; pass ignore_case"):
        metrics = evaluate(run / "best.keras", pool, tmp_path / "m.json", "--class-map", "tiger=cat")
    assert metrics["objects"] == 5
