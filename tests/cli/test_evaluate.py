"""`evaluate` as the paper does it: three columns, one command each."""

import json

import pytest

from keras_centernet.cli import main
from keras_centernet.evaluation.report import STAGES


@pytest.fixture
def evaluate(photos, model_file, tmp_path):
    """Returns a function: options -> (exit status, content of metrics.json)."""
    output = tmp_path / "metrics.json"

    def run(*options):
        command = [
            "evaluate",
            "--model",
            str(model_file),
            "--data",
            str(photos),
            "--output",
            str(output),
            "--overwrite",
        ]
        status = main([*command, *options])
        return status, json.loads(output.read_text()) if output.exists() else None

    return run


def test_three_columns_of_the_papers_table(evaluate, tmp_path, capsys):
    columns = {"plain": (), "flip": ("--flip",), "scales": ("--flip", "--scales", "0.5,1")}
    published = ("--resize", "keep", "--no-clip", "--round", "--batch-size", "2")
    metrics, scores = {}, {}
    for name, options in columns.items():
        status, metrics[name] = evaluate(*published, *options, "--results", str(tmp_path / name))
        assert status == 0
        rows = json.loads((tmp_path / name / "detections.json").read_text())
        assert set(rows[0]) == {"image_id", "category_id", "bbox", "score"}
        scores[name] = tuple(row["score"] for row in rows)
    assert len(set(scores.values())) == 3
    assert [row["flip"] for row in metrics.values()] == [False, True, True]
    assert metrics["scales"]["scales"] == [0.5, 1.0]
    assert [row["stages_ms"]["merge"] > 0.1 for row in metrics.values()] == [False, False, True]
    plain = metrics["plain"]
    assert set(plain["rounded"]) >= {"AP", "AP50"}
    assert list(plain["stages_ms"]) == list(STAGES)
    assert "two decimals" in capsys.readouterr().out


def test_result_files_have_the_ids_of_the_data(photos, model_file, tmp_path):
    content = {
        "images": [{"id": key, "file_name": f"photo{i}.jpg"} for i, key in enumerate(["a", 2**70, 5])],
        "annotations": [{"image_id": "a", "category_id": "tom", "bbox": [1, 2, 30, 40]}],
        "categories": [{"id": "tom", "name": "cat"}, {"id": 7, "name": "dog"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    data = ["--data", str(tmp_path / "val.json"), "--images", str(photos / "JPEGImages")]
    output = ["--results", str(tmp_path / "results"), "--output", str(tmp_path / "metrics.json")]
    assert main(["evaluate", "--model", str(model_file), *data, *output]) == 0
    rows = json.loads((tmp_path / "results" / "detections.json").read_text())
    assert {row["image_id"] for row in rows} == {"a", 2**70, 5}
    assert {row["category_id"] for row in rows} == {"tom", 7}


def test_a_report_is_one_page(evaluate, tmp_path, capsys):
    status, _ = evaluate("--report", str(tmp_path / "page"))
    assert status == 0
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["index.html"]
    assert str(tmp_path / "page" / "index.html") in capsys.readouterr().out


def test_the_truth_in_place_of_all_heads_finds_everything(evaluate):
    status, metrics = evaluate("--oracle", "heatmap", "size", "offset")
    assert status == 0
    assert metrics["AP"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--oracle", "depth"], "oracle: expected heads of task detection (center_heatmap, size, offset, heatmap)"),
        (["--oracle", "size", "--flip"], "oracle: expected neither flip nor several scales"),
        (["--results", "{model}/results"], "expected a folder that can be written to"),
    ],
)
def test_mistakes(evaluate, model_file, options, message, capsys):
    status, _ = evaluate(*(option.format(model=model_file) for option in options))
    assert status == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("scales", ["0.5,0.5", "1,-1", "big"])
def test_scales_are_different_positive_numbers(evaluate, scales, capsys):
    assert evaluate("--scales", scales)[0] == 2
    assert "--scales" in capsys.readouterr().err


@pytest.fixture(scope="module")
def exported(model_file, tmp_path_factory):
    """The model as a TFLite file."""
    path = tmp_path_factory.mktemp("exported") / "detector.tflite"
    assert main(["export", "--model", str(model_file), "--output", str(path)]) == 0
    return str(path)


@pytest.mark.slow
def test_an_exported_file_is_measured_as_its_model_is(evaluate, exported):
    _, of_model = evaluate()
    status, of_file = evaluate("--model", exported)
    assert status == 0
    assert of_file["AR100"] == pytest.approx(of_model["AR100"], abs=0.01)
    assert of_file["images"] == of_model["images"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--resize=keep", "--resize: expected fit for an exported file, whose input has one size; got keep"),
        ("--flip", "expected a CenterNet for flip and oracle, got another detector"),
    ],
)
def test_what_a_file_cannot_do(evaluate, exported, option, message, capsys):
    status, _ = evaluate("--model", exported, option)
    assert status == 2
    assert message in capsys.readouterr().err
