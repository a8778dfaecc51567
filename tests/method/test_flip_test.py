"""The flip test: equal to the published one, and the same for an image and its mirror image."""

import numpy as np
import pytest

from keras_centernet.method.decode import decode
from keras_centernet.method.flip_test import average_mirrored, with_mirrored
from keras_centernet.tasks import TASKS

SETS = {
    "detection": ("ct", 4, {"center_heatmap": "hm", "size": "wh", "offset": "reg"}),
    "pose": (
        "mp",
        1,
        {
            "center_heatmap": "hm",
            "size": "wh",
            "keypoint_displacement": "hps",
            "offset": "reg",
            "keypoint_heatmap": "hm_hp",
            "keypoint_offset": "hp_offset",
        },
    ),
}


def read(fixture, name):
    """Returns (task, maps of the image and its mirror image by our names, the published arrays)."""
    prefix, classes, names = SETS[name]
    arrays = fixture("flip_test")
    maps = {ours: np.moveaxis(arrays[f"{prefix}_in_{theirs}"], 1, -1) for ours, theirs in names.items()}
    return TASKS[name].build(tuple("abcd"[:classes])), maps, arrays


@pytest.mark.parametrize("name", SETS)
def test_averaged_maps_equal_the_published_ones(fixture, name):
    task, maps, arrays = read(fixture, name)
    averaged = {key: np.asarray(value) for key, value in average_mirrored(task, maps).items()}
    prefix, _, names = SETS[name]
    for head in task.heads:
        key = f"{prefix}_{names[head.name]}_avg"
        if head.flip is None:
            np.testing.assert_array_equal(averaged[head.name], maps[head.name][:1])
            continue
        ours = averaged[head.name]
        ours = 1 / (1 + np.exp(-ours)) if head.read_at == "everywhere" else ours
        np.testing.assert_allclose(np.moveaxis(ours, -1, 1), arrays[key], atol=1e-6, rtol=1e-6)


def test_detections_equal_the_published_ones(fixture):
    task, maps, arrays = read(fixture, "detection")
    found = decode(task, average_mirrored(task, maps), 20)
    rows = np.concatenate([found["boxes_xyxy"], found["scores"][..., None], found["classes"][..., None]], axis=-1)
    np.testing.assert_allclose(rows, arrays["ct_dets"], atol=1e-4)


def test_poses_equal_the_published_ones(fixture):
    task, maps, arrays = read(fixture, "pose")
    found = decode(task, average_mirrored(task, maps), 20)
    np.testing.assert_allclose(found["boxes_xyxy"], arrays["mp_dets"][..., :4], atol=1e-4)
    np.testing.assert_allclose(found["scores"], arrays["mp_dets"][..., 4], atol=1e-6)
    keypoints = np.reshape(found["keypoints_xy"], (1, 20, 34))
    np.testing.assert_allclose(keypoints, arrays["mp_dets"][..., 5:39], atol=1e-3)


def test_probabilities_near_0_and_1_keep_their_order():
    task = TASKS["detection"].build(("a",))
    logits = np.float32([-1000, -50, -20, 20, 50, 1000])
    heatmap = np.stack([logits, logits[::-1]])[:, None, :, None]  # the mirror image has the same values
    maps = {"center_heatmap": heatmap, "size": np.zeros((2, 1, 6, 2)), "offset": np.zeros((2, 1, 6, 2))}
    averaged = np.asarray(average_mirrored(task, maps)["center_heatmap"])[0, 0, :, 0]
    np.testing.assert_allclose(averaged, [-60, -50, -20, 20, 50, 60], rtol=1e-6)


def test_an_image_and_its_mirror_image_give_mirrored_detections(tiny_model, rng):
    """Only the image's own offsets are used, so the law is exact only for symmetric offsets: 3/8 of a cell."""
    model = tiny_model()
    offset = model.network.get_layer("offset")
    offset.kernel.assign(np.zeros(offset.kernel.shape))
    offset.bias.assign([0.375, 0.375])
    image = rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
    first, second = (model.detect_batch(images, 30, flip=True) for images in (image, image[:, :, ::-1]))
    np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-6)
    np.testing.assert_array_equal(first["classes"], second["classes"])
    x1, y1, x2, y2 = np.moveaxis(np.asarray(second["boxes_xyxy"]), -1, 0)
    np.testing.assert_allclose(first["boxes_xyxy"], np.stack([63 - x2, y1, 63 - x1, y2], axis=-1), atol=1e-3)


def test_the_mirror_images_follow_the_images(rng):
    images = rng.integers(0, 256, (2, 4, 6, 3), np.uint8)
    both = np.asarray(with_mirrored(images))
    np.testing.assert_array_equal(both[:2], images)
    np.testing.assert_array_equal(both[2:], images[:, :, ::-1])
