"""Every kind of file describes itself, and `facts_of` reads the description without running the file."""

import json
import zipfile

import pytest

import keras_centernet
from keras_centernet import UserError
from keras_centernet.about import About
from keras_centernet.cli import main
from keras_centernet.exporting import FORMATS, facts_of
from keras_centernet.weights.presets import PRESETS, Preset
from tests.exporting.conftest import INPUT_HW
from tests.exporting.test_onnx import needs_onnx
from tests.helpers.tiny_backbone import TINY

SAID = {"licence": "apache-2.0", "metrics": {"AP": 0.25}}
# {file: how its description of the boxes begins}
FILES = {
    "a.keras": "boxes_xyxy of detect: left, top",
    "preset": "boxes_xyxy of detect: left, top",
    "a.tflite": "location: ymin, xmin, ymax, xmax as fractions",
    "saved_model": "boxes_xyxy: left, top, right, bottom in pixels of the image",
    "a.onnx": "boxes_xyxy: left, top, right, bottom in pixels of the letterboxed input",
}
MARKS = {"saved_model": pytest.mark.slow, "a.onnx": needs_onnx}


@pytest.fixture(scope="module")
def model(tiny_model):
    model = tiny_model(classes=("cat", "dög"), input_size=INPUT_HW, task_options={"radius": "geometric"})
    model.about = About(**SAID)
    return model


@pytest.fixture(scope="module")
def write(model, tmp_path_factory):
    """write(name) -> path of the model in that kind of file."""
    folder = tmp_path_factory.mktemp("said")
    doors = {"a.keras": model.save, "preset": model.save_to_preset}

    def write(name):
        if not (folder / name).exists():
            doors.get(name, model.export)(folder / name)
        return folder / name

    return write


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in FILES])
def test_a_file_describes_itself(write, name, capsys):
    facts = facts_of(write(name))
    assert facts.pop("boxes").startswith(FILES[name])
    assert facts == {
        "keras_centernet": keras_centernet.__version__,
        "backbone": TINY,
        "task": "detection",
        "task_options": {"radius": "geometric"},
        "classes": ["cat", "dög"],
        "input_hw": list(INPUT_HW),
        **SAID,
    }
    capsys.readouterr()
    assert main(["models", str(write(name))]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert (told["classes"], told["AP"], told["licence"]) == ("cat, dög", "0.25", "apache-2.0")


def test_every_format_has_a_reader():
    assert [name for name, row in FORMATS.items() if row.facts is None] == []


def test_unknown_facts_are_left_out(tiny_model, tmp_path):
    model = tiny_model()
    model.save(tmp_path / "a.keras")
    assert not {"licence", "metrics"} & facts_of(tmp_path / "a.keras").keys()
    assert not {"licence", "metrics"} & facts_of(model.export(tmp_path / "a.tflite")).keys()


def changed(path, target, change):
    """Writes a copy of a .keras file whose configuration was changed."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"])
                content = json.dumps(config)
            copy.writestr(name, content)
    return target


def test_a_file_of_the_first_version_gives_the_facts_that_it_has(write, tmp_path):
    old = changed(write("a.keras"), tmp_path / "old.keras", lambda config: config.pop("about"))
    assert set(facts_of(old)) == {"backbone", "task", "task_options", "classes", "input_hw"}
    assert keras_centernet.load_model(old).about == About()


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ([1], "expected licence and metrics by name, got "),
        ({"licence": "a\x1b[31m"}, "licence: expected a line"),
        ({"metrics": {"AP": "x"}}, "metrics: expected finite numbers"),
        ({"metrics": 3}, "expected .*metrics"),
    ],
)
def test_hostile_values_are_refused_by_facts_of_and_load_model(write, tmp_path, about, message):
    path = changed(write("a.keras"), tmp_path / "bad.keras", lambda config: config.update(about=about))
    with pytest.raises(UserError, match=message):
        facts_of(path)
    if not isinstance(about, dict) or "licence" in about:
        with pytest.raises(UserError, match=message):
            keras_centernet.load_model(path)


def test_only_known_facts_are_read(write, tmp_path):
    more = {"path": "/etc/passwd", "licence": "mit"}
    facts = facts_of(changed(write("a.keras"), tmp_path / "b.keras", lambda config: config.update(about=more)))
    assert facts["licence"] == "mit"
    assert "path" not in facts


@pytest.mark.parametrize("name", ["a.keras", "a.tflite", pytest.param("a.onnx", marks=needs_onnx), "folder"])
def test_other_files_are_one_line(tmp_path, name, capsys):
    with pytest.raises(UserError, match="expected a file of a model, got none"):
        facts_of(tmp_path / name)
    (tmp_path / name).mkdir() if name == "folder" else (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(UserError, match="expected"):
        facts_of(tmp_path / name)
    assert main(["models", str(tmp_path / name)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_preset_brings_its_licence_and_its_published_metrics(tiny_model, tmp_path, monkeypatch):
    from tests.weights.test_published import published_tensors, write_safetensors

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("KERAS_CENTERNET_MIRROR", str(tmp_path))
    write_safetensors(tmp_path / "p.safetensors", published_tensors(tiny_model()))
    row = Preset(
        TINY,
        "detection",
        ("cat", "dog"),
        "p.safetensors",
        "n",
        {"AP": {"flip": 12.5}},
        "none",
        (1, 0.1, 1),
        input_size=64,
    )
    monkeypatch.setitem(PRESETS, "tiny_pets", row)
    model = keras_centernet.load_model("tiny_pets")
    assert model.about == About("MIT", {"AP, published, flip": 0.125})
