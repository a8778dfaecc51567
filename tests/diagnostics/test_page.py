"""The page of a report: what it shows of a made-up evaluation."""

import base64
import dataclasses
import re

import cv2
import numpy as np
import pytest

from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.source import source_from_annotations
from keras_centernet.diagnostics.diagnosis import diagnose
from keras_centernet.diagnostics.page import PAGE, SECTIONS, build_page, write_report
from keras_centernet.evaluation.report import Report

CLASSES = ("cat", "<dog>")
OF_A_RUN = "Training images"
TITLES = [section.title for section in SECTIONS if section.title != OF_A_RUN]


@pytest.fixture
def report():
    """Image 1: a cat found as a dog; image 2: a dog found as a dog; image 3: a cat that is missed."""
    boxes = [[10, 10, 30, 30], [5, 5, 40, 20], [20, 20, 30, 30]]
    annotations = [
        {"image_id": i, "category_id": category, "bbox": box, "iscrowd": 0}
        for i, (category, box) in enumerate(zip((1, 2, 1), boxes, strict=True), start=1)
    ]
    detections = [
        {"image_id": i, "category_id": 2, "bbox": boxes[i - 1], "score": score} for i, score in ((1, 0.6), (2, 0.9))
    ]
    truth = {
        "images": [{"id": i, "height": 60, "width": 80} for i in (1, 2, 3)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
        "annotations": annotations,
    }
    metrics = {"images": 3, "objects": 3, "AP": 0.25, "APs": None, "stages_ms": {"network": 1.5}}
    return Report(metrics, detections, {}, truth)


@pytest.fixture
def source(tmp_path):
    """Three photos, each of a single colour."""
    names = [str(tmp_path / f"photo{i}.png") for i in (1, 2, 3)]
    for i, name in enumerate(names):
        cv2.imwrite(name, np.full((60, 80, 3), 80 * i, np.uint8))
    table = build_annotations(
        names, [(0, 10, 10, 40, 40, 0, False, False, None)], image_hw=[(60, 80)] * 3, image_ids=[1, 2, 3]
    )
    return source_from_annotations("photos", CLASSES, table)


def test_every_section_is_there_and_nothing_is_fetched(report, source, tmp_path):
    write_report(tmp_path, report, source)
    page = (tmp_path / PAGE).read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == TITLES
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<dog>" not in page
    assert "&lt;dog&gt;" in page


def test_thresholds_are_stored_only_for_classes_that_were_found(report):
    diagnosis = diagnose(report)  # no cat is found; a dog is found with 0.9, a false one with 0.6
    assert diagnosis.thresholds_by_class() == {"<dog>": pytest.approx(0.75, abs=0.01)}


def test_each_section_names_its_tasks(report, source):
    page = build_page(diagnose(report, source))
    assert re.findall('</h2>\n?<p class="of">(.*?)</p>', page) == [one.of for one in SECTIONS if one.title != OF_A_RUN]
    assert all(section.of.startswith("Every task") for section in SECTIONS)


def test_training_images_are_shown_where_a_run_knows_them(report, source):
    page = build_page(dataclasses.replace(diagnose(report, source), training_batch=b"JPEG"))
    assert re.findall("<h2>(.*?)</h2>", page) == [section.title for section in SECTIONS]
    assert f"data:image/jpeg;base64,{base64.b64encode(b'JPEG').decode()}" in page


def test_numbers_of_a_hand_made_evaluation(report, source, tmp_path):
    diagnosis = write_report(tmp_path, report, source)
    assert diagnosis.thresholds == pytest.approx([0.3, 0.75])  # the dog's best thresholds: above 0.6, up to 0.9
    assert diagnosis.confusion.tolist() == [[0, 0, 2], [0, 1, 0], [0, 0, 0]]
    assert diagnosis.errors.tolist() == [[1, 0], [0, 0], [1, 0]]


def test_the_worst_images_are_the_photos_with_errors(report, source, tmp_path):
    write_report(tmp_path, report, source)
    page = (tmp_path / PAGE).read_text()
    assert re.findall('alt="(.*?)"', page) == ["photo1.png", "photo3.png"]
    assert page.count("1 missed, 0 wrong") == 2


def test_without_photos_the_numbers_remain(report, tmp_path):
    write_report(tmp_path, report)
    assert re.findall("<h2>(.*?)</h2>", (tmp_path / PAGE).read_text()) == [t for t in TITLES if t != "Worst images"]


def test_a_page_is_written_even_if_nothing_was_found(report, source, tmp_path):
    report.detections = []
    write_report(tmp_path, report, source)
    assert "Mean distance of score" not in (tmp_path / PAGE).read_text()
