"""Pose: targets, losses and decoding, compared with the published arrays, and its own laws."""

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.fitting.objective import divide, head_losses, weighted_sum
from keras_centernet.geometry import affine, invert_affine, transform_boxes, transform_points, xywh_to_xyxy
from keras_centernet.method.decode import decode
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.pose import to_boxes
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

SLOTS, KEYPOINTS = 32, 17
OURS = {
    "center_heatmap": "hm",
    "size": "wh",
    "keypoint_displacement": "hps",
    "offset": "reg",
    "keypoint_heatmap": "hm_hp",
    "keypoint_offset": "hp_offset",
}
TASK = TASKS["pose"].build(("person",))


def nhwc(array):
    return np.moveaxis(array, 1, -1)


def scene_objects(arrays, scene):
    map_hw = arrays[f"{scene}_hm"].shape[1:]
    boxes = xywh_to_xyxy(arrays[f"{scene}_boxes_xywh"]).astype("float32").astype("float64")
    keypoints = arrays[f"{scene}_keypoints"].copy()
    if scene == "trainflip":
        width = arrays[f"{scene}_img_hw"][1]
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]] - 1
        keypoints[..., 0] = width - keypoints[..., 0] - 1
        keypoints = keypoints[:, COCO_PERSON.flip_order]
    matrix = affine(arrays[f"{scene}_c"], arrays[f"{scene}_s"], 0, (map_hw[1] * 4, map_hw[0] * 4))
    count = len(boxes)
    objects = {
        "boxes_xyxy": np.zeros((1, SLOTS, 4), "float32"),
        "classes": np.zeros((1, SLOTS), "int32"),
        "mask": np.zeros((1, SLOTS), bool),
        "keypoints_xyv": np.zeros((1, SLOTS, KEYPOINTS, 3), "float32"),
    }
    objects["boxes_xyxy"][0, :count] = transform_points(boxes.reshape(-1, 2), matrix).reshape(-1, 4)
    if scene == "trainrot":  # as published, boxes are not rotated
        turn = float(arrays["trainrot_rot"])
        matrix = affine(arrays[f"{scene}_c"], arrays[f"{scene}_s"], turn, (map_hw[1] * 4, map_hw[0] * 4))
        objects["is_rotated"] = np.array([True])
    objects["keypoints_xyv"][0, :count, :, :2] = transform_points(keypoints[..., :2], matrix)
    objects["keypoints_xyv"][0, :count, :, 2] = keypoints[..., 2]
    objects["mask"][0, :count] = True
    return objects, map_hw


@pytest.mark.parametrize("scene", ["a", "b", "trainflip", "trainrot"])
def test_targets_equal_the_published_ones(fixture, scene):
    arrays = fixture("multi_pose_target")
    objects, map_hw = scene_objects(arrays, scene)
    targets = {name: np.asarray(value)[0] for name, value in encode_targets(TASK, objects, map_hw).items()}
    trained = arrays[f"{scene}_reg_mask"].astype(bool)
    for name in ("size", "offset"):
        np.testing.assert_array_equal(targets[f"{name}_mask"], trained)
        np.testing.assert_allclose(targets[name][trained], arrays[f"{scene}_{OURS[name]}"][trained], atol=1e-4)
    np.testing.assert_array_equal(targets["center_index"][trained], arrays[f"{scene}_ind"][trained])
    np.testing.assert_array_equal(targets["keypoint_displacement_mask"], arrays[f"{scene}_hps_mask"])
    counted = arrays[f"{scene}_hps"] * arrays[f"{scene}_hps_mask"]
    np.testing.assert_allclose(targets["keypoint_displacement"], counted, atol=1e-4)
    marked = arrays[f"{scene}_hp_mask"].astype(bool)
    np.testing.assert_array_equal(targets["keypoint_mask"], marked)
    np.testing.assert_array_equal(targets["keypoint_index"][marked], arrays[f"{scene}_hp_ind"][marked])
    np.testing.assert_allclose(targets["keypoint_offset"][marked], arrays[f"{scene}_hp_offset"][marked], atol=1e-4)
    for name in ("center_heatmap", "keypoint_heatmap"):
        np.testing.assert_allclose(np.moveaxis(targets[name], -1, 0), arrays[f"{scene}_{OURS[name]}"], atol=1e-4)


def test_losses_and_gradients_equal_the_published_ones(fixture):
    arrays = fixture("losses_mp")
    targets = {
        "center_index": arrays["mp_b_ind"],
        "center_mask": arrays["mp_b_reg_mask"],
        "keypoint_index": arrays["mp_b_hp_ind"],
        "keypoint_mask": arrays["mp_b_hp_mask"],
        "keypoint_displacement_mask": arrays["mp_b_hps_mask"],
        **{name: nhwc(arrays[f"mp_b_{OURS[name]}"]) for name in ("center_heatmap", "keypoint_heatmap")},
        **{
            name: arrays[f"mp_b_{OURS[name]}"]
            for name in ("size", "offset", "keypoint_displacement", "keypoint_offset")
        },
    }
    maps = {ours: tf.constant(nhwc(arrays[f"mp_s0_{theirs}"])) for ours, theirs in OURS.items()}
    with tf.GradientTape() as tape:
        tape.watch(maps)
        losses = divide(head_losses(TASK, [maps], targets))
        total = weighted_sum(TASK, losses)
    for ours, theirs in (OURS | {"offset": "off", "keypoint_displacement": "hp"}).items():
        assert float(losses[ours]) == pytest.approx(float(arrays[f"mp_stat_{theirs}_loss"]), rel=2e-4), ours
    assert float(total) == pytest.approx(float(arrays["mp_stat_loss"]), rel=2e-4)
    gradients = tape.gradient(total, maps)
    for ours, theirs in OURS.items():
        if f"mp_s0_grad_{theirs}" in arrays:
            expected = nhwc(arrays[f"mp_s0_grad_{theirs}"])
            actual = tf.convert_to_tensor(gradients[ours])
            np.testing.assert_allclose(actual, expected, atol=3e-4 * np.abs(expected).max(), err_msg=ours)


def published_maps(arrays):
    def logit(p):
        p = nhwc(p).astype("float64")
        return np.log(p / (1 - p)).astype("float32")

    heatmaps = ("center_heatmap", "keypoint_heatmap")
    return {
        ours: logit(arrays[f"mp_{theirs}"]) if ours in heatmaps else nhwc(arrays[f"mp_{theirs}"])
        for ours, theirs in OURS.items()
    }


def test_detections_equal_the_published_ones(fixture):
    arrays = fixture("decode_mp")
    found = {key: np.asarray(value) for key, value in decode(TASK, published_maps(arrays)).items()}
    expected = arrays["mp_dets"]
    np.testing.assert_allclose(found["boxes_xyxy"], expected[..., :4], atol=1e-4)
    np.testing.assert_allclose(found["scores"], expected[..., 4], atol=1e-6)
    np.testing.assert_allclose(found["keypoints_xy"].reshape(2, 100, 34), expected[..., 5:39], atol=1e-3)
    snapped = np.asarray(found["keypoint_scores"]) > 0.1
    assert 0.05 < snapped.mean() < 0.95  # the case has snapped and unsnapped keypoints


def test_without_joint_heatmaps_the_displacements_stand(fixture):
    arrays = fixture("decode_mp")
    heads = tuple(head for head in TASK.heads if head.name not in ("keypoint_heatmap", "keypoint_offset"))
    task = type(TASK)("pose", TASK.classes, heads, to_boxes)
    found = decode(task, published_maps(arrays))
    keypoints = np.asarray(found["keypoints_xy"]).reshape(2, 100, 34)
    np.testing.assert_allclose(keypoints, arrays["mp_dets_nohmhp"][..., 5:39], atol=1e-4)


@pytest.mark.parametrize("kind", ["fix", "keep"])
def test_joints_in_image_pixels_equal_the_published_post_processing(fixture, kind):
    arrays = fixture("post_process")
    found = {key: np.asarray(value) for key, value in decode(TASK, published_maps(fixture("decode_mp"))).items()}
    for b in range(2):
        map_to_image = invert_affine(affine(arrays[f"{kind}_c"][b], arrays[f"{kind}_s"][b], 0, (48, 32)))
        expected = arrays[f"mp_{kind}_b{b}"]
        boxes = transform_boxes(found["boxes_xyxy"][b], map_to_image)
        keypoints = transform_points(found["keypoints_xy"][b], map_to_image)
        np.testing.assert_allclose(boxes, expected[:, :4], atol=5e-3)
        np.testing.assert_allclose(keypoints.reshape(100, 34), expected[:, 5:39], atol=2e-2)


@pytest.mark.parametrize("kinds", [1, 3, 17])
def test_the_inverse_of_encoding_is_decoding(rng, kinds):
    """With any number of keypoints, some of them unmarked, and several classes."""
    skeleton = Skeleton(tuple(f"keypoint {i}" for i in range(kinds)))
    task = TASKS["pose"].build(("cat", "dog"), skeleton=skeleton)
    count, hw = 6, (64, 96)
    fields = rng.permutation(24)[:count]
    centers = np.stack([fields % 6, fields // 6], -1) * 16 + 8 + rng.uniform(0, 1, (count, 2))
    half = rng.uniform(3, 6, (count, 2))
    boxes = np.concatenate([centers - half, centers + half], -1) * 4
    # All keypoints share one map of offsets, so those of an object lie in different cells.
    cells = np.stack([rng.permutation(25)[:kinds] for _ in range(count)])
    places = np.stack([cells % 5, cells // 5], -1) - 2 + rng.uniform(0.05, 0.95, (count, kinds, 2))
    keypoints = np.floor(centers)[:, None] + places
    marked = rng.random((count, kinds)) < 0.8
    marked[:, 0] = True
    objects = {
        "boxes_xyxy": boxes[None].astype("float32"),
        "classes": rng.integers(0, 2, (1, count)).astype("int32"),
        "mask": np.ones((1, count), bool),
        "keypoints_xyv": np.concatenate([keypoints * 4, 2.0 * marked[..., None]], -1)[None].astype("float32"),
    }
    targets = {k: np.asarray(v) for k, v in encode_targets(task, objects, hw).items()}
    maps = {}
    for head in task.heads:
        if head.read_at == "everywhere":
            maps[head.name] = np.where(targets[head.name] == 1, 9.0, -9.0).astype("float32")
            continue
        index = targets["center_index" if head.read_at == "centers" else "keypoint_index"][0]
        mask = targets["center_mask" if head.read_at == "centers" else "keypoint_mask"][0]
        maps[head.name] = np.zeros((1, *hw, head.channels), "float32")
        maps[head.name].reshape(-1, head.channels)[index[mask]] = targets[head.name][0][mask]
    found = {k: np.asarray(v)[0] for k, v in decode(task, maps, top_k=count).items()}
    order = [int(np.argmin(np.abs(found["boxes_xyxy"] * 4 - box).sum(-1))) for box in boxes]
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(found["classes"][order], objects["classes"][0])
    np.testing.assert_allclose(found["boxes_xyxy"][order] * 4, boxes, atol=1e-3)
    np.testing.assert_allclose(found["keypoints_xy"][order][marked], keypoints[marked], atol=2e-2)


def test_persons_without_marked_keypoints_can_be_ignored(fixture):
    """As published, they are trained as centres. The option does what the published code intends."""
    arrays = fixture("multi_pose_target")
    objects, map_hw = scene_objects(arrays, "a")
    published, corrected = (
        np.asarray(encode_targets(TASKS["pose"].build(("person",), unmarked=value), objects, map_hw)["center_heatmap"])
        for value in ("positive", "ignored")
    )
    unmarked = np.sum(arrays["a_keypoints"][..., 2].sum(-1) == 0)
    assert unmarked > 0
    assert np.sum(published == 1) - np.sum(corrected == 1) == unmarked
    assert np.sum(corrected == np.float32(0.9999)) == unmarked
    with pytest.raises(ValueError, match=r"unmarked must be one of \('positive', 'ignored'\), got 'x'"):
        TASKS["pose"].build(("person",), unmarked="x")
