"""Comparing runs, whose folders are made by hand."""

import json
import re

import cv2
import numpy as np
import pytest

from keras_centernet.cli import main
from keras_centernet.runs.comparing.page import draw_runs
from keras_centernet.runs.comparing.reading import read_runs, short_names
from keras_centernet.runs.comparing.table import differences, table_of_runs
from keras_centernet.texts import cells

CONFIG = {"keras_centernet_run": 1, "data": "photos", "task": "detection", "backbone": "mobilenet_v2"}
CONFIG |= {"input_size": 320, "epochs": 4, "classes": ["cat"]}
HISTORY = "epoch,loss,val_AP,seconds\n1,9,nan,60\n2,3,0.25,60\n3,2,0.5,60\n4,1,0.4,60\n"
METRICS = {"AP": 0.5, "AP50": 0.75, "AP75": None, "parameters": 2_345_678, "seconds_training": 300.0}


def data_of(labels):
    run = {"versions": {}, "seed": 0, "command": "train"}
    return {"run": run | {"data": {"val": {"images": 3, "labels": labels, "image_names": "any"}}}}


@pytest.fixture
def write_run(tmp_path):
    """Returns a function that makes a run's folder: (name, changes of its files) -> path."""

    def write(name, history=HISTORY, metrics=METRICS, **config):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(CONFIG | config))
        (folder / "history.csv").write_text(history)
        if metrics is not None:
            (folder / "metrics.json").write_text(json.dumps(metrics))
        return str(folder)

    return write


@pytest.fixture
def several(write_run):
    """Four runs: one with a lower AP and another option, the best one, a pose run, and an unfinished one."""
    return [
        write_run("a", HISTORY.replace("0.5", "0.3"), METRICS | {"AP": 0.3}, learning_rate=0.001),
        write_run("b"),
        write_run("p", HISTORY.replace("AP", "OKS_AP"), {"AP": 0.9, "OKS_AP": 0.1}, task="pose", epochs=9),
        write_run("u", "epoch,loss,seconds\n1,9,90\n", None, backbone="dla34", input_size=[384, 1280]),
    ]


def columns_of(table):
    return [line.split() for line in table.splitlines()]


def test_runs_of_a_task_share_a_table_the_best_first(several):
    runs, lines = read_runs(several)
    detection, pose = table_of_runs(runs).split("\n\npose\n")
    names = [name.rpartition("/")[2] for name, *_ in columns_of(detection)[3:6]]
    assert names == ["b", "a", "u"]
    rows = columns_of(detection)
    assert rows[0] == ["detection"]
    assert rows[1] == ["run", "network", "input", "epochs", "AP", "at", "AP50", "parameters", "minutes"]
    assert rows[3][1:] == ["mobilenet_v2", "320", "4", "0.500", "3", "0.750", "2.35", "M", "5.0"]
    assert rows[5][1:] == ["dla34", "384x1280", "1/4", "-", "-", "-", "-", "1.5"]
    head, row = (columns_of(pose)[i] for i in (0, 2))
    assert head[3:] == ["epochs", "OKS_AP", "at", "AP", "parameters", "minutes"]
    assert row[3:] == ["4/9", "0.100", "3", "0.900", "-", "4.0"]
    assert lines == [f"{several[3]}: not finished, 1 of 4 epochs."]


def test_differing_options_are_listed_unless_a_column_shows_them(several):
    runs, _ = read_runs(several[:2])
    assert differences(runs) == {"learning_rate": {several[1]: 0.002, several[0]: 0.001}}
    said = table_of_runs(runs)
    assert said.splitlines()[-2:] == ["b: learning_rate 0.002", "a: learning_rate 0.001"]


def test_a_run_from_before_an_option_counts_with_the_old_behaviour(write_run):
    before, after = write_run("before"), write_run("after", deformable_rate=0.05)
    assert differences(read_runs([before, after])[0]) == {"deformable_rate": {before: 1.0, after: 0.05}}


def test_a_whole_number_equals_the_same_number_with_a_point(write_run):
    """A recipe's 1 is stored as it is, a typed one as 1.0; an option that a run does not name, as its default."""
    rows = ({}, {"deformable_rate": 1, "weight_decay": 0}, {"deformable_rate": 1.0, "weight_decay": 0.0})
    folders = [write_run(f"run{i}", **row) for i, row in enumerate(rows)]
    assert "deformable_rate" not in differences(read_runs(folders)[0])
    assert differences(read_runs(folders[1:])[0]) == {}


def test_runs_are_named_by_their_folders_unless_two_are_the_same(write_run, tmp_path):
    (tmp_path / "x").mkdir()
    runs, _ = read_runs([write_run("a"), write_run("b"), write_run("x/a")])
    assert short_names(runs[:2]) == {str(tmp_path / name): name for name in "ab"}
    assert short_names(runs) == {run.name: run.name for run in runs}


def test_options_that_change_no_result_are_not_compared(write_run):
    runs, _ = read_runs([write_run("a", workers=3, verbose=2, output="a"), write_run("b", mixup=0.5)])
    assert list(differences(runs)) == ["mixup"]


def test_metrics_of_different_images_are_marked_as_not_comparable(write_run):
    runs = [write_run(name, metrics=METRICS | data_of(name)) for name in "ab"]
    assert "measured on different images or labels" in table_of_runs(read_runs(runs)[0])
    alike = [write_run(name, metrics=METRICS | data_of("same")) for name in "cd"]
    assert "measured on different" not in table_of_runs(read_runs(alike)[0])


@pytest.mark.parametrize(
    "name", ["short", "a run of a name that is much longer than a terminal is wide " * 2, "猫" * 60]
)
def test_a_table_fits_into_a_hundred_columns(name, write_run):
    runs, _ = read_runs([write_run(name), write_run("other", backbone="a_network_of_a_very_long_name", mosaic=0.5)])
    assert max(map(cells, table_of_runs(runs).splitlines()[:5])) <= 100


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "expected a run with its config.json, got a folder without"),
        (lambda folder: (folder / "config.json").write_text("{"), "expected JSON"),
        (lambda folder: (folder / "config.json").write_text('{"data": 3}'), "expected"),
        (lambda folder: (folder / "history.csv").write_text("epoch,loss\n1,cat\n"), "expected a row of numbers"),
        (lambda folder: (folder / "metrics.json").write_text("[]"), "expected an object"),
    ],
)
def test_a_folder_that_is_no_run_or_is_damaged_is_reported_in_one_line(spoil, said, several, write_run, tmp_path):
    folder = write_run("spoilt")
    spoil(tmp_path / "spoilt")
    runs, lines = read_runs([folder, several[1]])
    assert [run.name for run in runs] == [several[1]]
    (line,) = lines
    assert line.startswith(f"left out: {tmp_path / 'spoilt'}")
    assert said in line


def test_the_command_writes_a_page_with_everything_in_it(several, tmp_path, capsys):
    output = tmp_path / "comparison"
    assert main(["compare", *several, str(tmp_path / "nowhere"), "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"left out: {tmp_path / 'nowhere'}: expected a run with its config.json, got no folder." in printed
    page = (output / "compare.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["detection", "pose"]
    assert page.count("<img") == 2
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert main(["compare", *several, "--output", str(output)]) == 2
    assert "expected no file there yet" in capsys.readouterr().err


def test_no_run_at_all_is_a_mistake(tmp_path, capsys):
    assert main(["compare", str(tmp_path)]) == 2
    assert "expected a folder of a run, got none" in capsys.readouterr().err


def test_curves_have_a_panel_for_loss_and_metric(several):
    runs, _ = read_runs(several[:2])
    drawing = cv2.imdecode(np.frombuffer(draw_runs(runs), np.uint8), cv2.IMREAD_COLOR)
    assert drawing.shape[1] > 2 * drawing.shape[0]
    unmeasured, _ = read_runs(several[3:])
    assert draw_runs(unmeasured).startswith(b"\x89PNG")
