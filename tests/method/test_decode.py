"""Decoding, compared with the published detections, and as the inverse of encoding."""

import numpy as np
import pytest

from keras_centernet.geometry import affine, invert_affine, transform_boxes
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS


def published_maps(arrays):
    heatmap = np.moveaxis(arrays["ct_hm"], 1, -1).astype("float64")
    return {
        "center_heatmap": np.log(heatmap / (1 - heatmap)).astype("float32"),
        "size": np.moveaxis(arrays["ct_wh"], 1, -1),
        "offset": np.moveaxis(arrays["ct_reg"], 1, -1),
    }


@pytest.mark.parametrize(("top_k", "key"), [(100, "ct_dets"), (40, "ct_dets_k40")])
def test_detections_equal_the_published_ones(fixture, top_k, key):
    arrays = fixture("decode")
    found = decode(TASKS["detection"].build(tuple("abcdef")), published_maps(arrays), top_k)
    expected = arrays[key]
    np.testing.assert_array_equal(found["classes"], expected[..., 5])
    np.testing.assert_allclose(found["scores"], expected[..., 4], atol=1e-6)
    np.testing.assert_allclose(found["boxes_xyxy"], expected[..., :4], atol=1e-5)


@pytest.mark.parametrize("geometry_kind", ["fix", "keep"])
def test_boxes_in_image_pixels_equal_the_published_post_processing(fixture, geometry_kind):
    arrays = fixture("post_process")
    found = decode(TASKS["detection"].build(tuple("abcdef")), published_maps(fixture("decode")))
    for b in range(2):
        center, scale = arrays[f"{geometry_kind}_c"][b], arrays[f"{geometry_kind}_s"][b]
        image_to_map = affine(center, scale, 0, (48, 32))
        boxes = transform_boxes(np.asarray(found["boxes_xyxy"])[b], invert_affine(image_to_map))
        rows = np.column_stack([np.asarray(found["classes"])[b] + 1, boxes, np.asarray(found["scores"])[b]])
        rows = rows[np.argsort(rows[:, 0], kind="stable")]  # grouped by class, as published
        np.testing.assert_allclose(rows, arrays[f"ct_{geometry_kind}_b{b}"], rtol=1e-5, atol=2e-3)


def spread_objects(rng, count, classes):
    """Objects whose centres lie at least three cells apart."""
    cells = rng.permutation(10 * 15)[:count]
    centers = np.stack([cells % 15, cells // 15], -1) * 16 + 10 + rng.uniform(0, 4, (count, 2))
    half = rng.uniform(1, 9, (count, 2))
    boxes = np.concatenate([centers - half, centers + half], -1)
    return {
        "boxes_xyxy": boxes[None].astype("float32"),
        "classes": rng.integers(0, classes, (1, count)),
        "mask": np.ones((1, count), bool),
    }


@pytest.mark.parametrize("seed", range(5))
def test_decoding_what_was_encoded_gives_the_objects_back(seed):
    rng = np.random.default_rng(seed)
    task, map_hw, count = TASKS["detection"].build(("a", "b", "c")), (48, 64), 20
    objects = spread_objects(rng, count, 3)
    targets = encode_targets(task, objects, map_hw)
    index = np.asarray(targets["center_index"])[0]
    maps = {"center_heatmap": np.asarray(targets["center_heatmap"]) * 20 - 10}
    for name in ("size", "offset"):
        dense = np.zeros((map_hw[0] * map_hw[1], 2), "float32")
        dense[index] = np.asarray(targets[name])[0]
        maps[name] = dense.reshape(1, *map_hw, 2)
    found = decode(task, maps, count)
    rows = np.column_stack([np.asarray(found["classes"])[0], np.asarray(found["boxes_xyxy"])[0] * 4])
    expected = np.column_stack([objects["classes"][0], objects["boxes_xyxy"][0]])
    expected[:, 1:] = np.clip(expected[:, 1:], 0, [252, 188, 252, 188])
    np.testing.assert_allclose(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)], atol=1e-3)


def test_there_are_always_k_rows_best_first(rng):
    maps = {
        "center_heatmap": rng.normal(size=(3, 8, 8, 2)).astype("float32"),
        "size": np.zeros((3, 8, 8, 2), "float32"),
        "offset": np.zeros((3, 8, 8, 2), "float32"),
    }
    found = decode(TASKS["detection"].build(("a", "b")), maps, 50)
    assert found["boxes_xyxy"].shape == (3, 50, 4)
    assert (np.diff(np.asarray(found["scores"]), axis=1) <= 0).all()


def test_two_keypoint_heatmaps_are_decoded_apart(rng):
    """Each heatmap has its own peaks, where its own offsets are read. The reference is a loop over channels."""
    names, channels, hw, peaks = ("corners", "wheels"), (2, 3), (8, 9), 4
    heads = [HeadSpec("center_heatmap", 1, "everywhere", None, None)]
    for name, count in zip(names, channels, strict=True):
        heads.append(HeadSpec(name, count, "everywhere", None, None))
        heads.append(HeadSpec(f"{name}_offset", 2, "keypoints", None, None, peaks_of=name))
    maps = {head.name: rng.normal(size=(1, *hw, head.channels)).astype("float32") for head in heads}
    task = Task("two", ("a",), tuple(heads), lambda readings: {"boxes_xyxy": np.zeros((1, peaks, 4)), "read": readings})
    read = decode(task, maps, peaks)["read"]
    for name, count in zip(names, channels, strict=True):
        logits = maps[name][0]
        padded = np.pad(logits, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1)).max((-2, -1))
        for channel in range(count):
            values = np.where(logits[..., channel] == windows[..., channel], logits[..., channel], -np.inf)
            order = np.argsort(-values, axis=None)[:peaks]
            y, x = np.unravel_index(order, hw)
            np.testing.assert_array_equal(read[f"{name}_cells_xy"][0, channel], np.stack([x, y], -1))
            np.testing.assert_allclose(read[name][0, channel], 1 / (1 + np.exp(-logits[y, x, channel])), rtol=1e-5)
            np.testing.assert_array_equal(read[f"{name}_offset"][0, channel], maps[f"{name}_offset"][0, y, x])
