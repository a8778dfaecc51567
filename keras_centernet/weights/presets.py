"""The authors' published weights by name: what they are, the metrics that were measured, and where they are."""

import dataclasses
import os
from collections.abc import Mapping

from keras_centernet.errors import UserError, did_you_mean
from keras_centernet.tasks.classes import COCO_CLASSES, KITTI_CLASSES, VOC_CLASSES

# {}: the id of a file at Google Drive. The first address gives the file, the second its web page.
DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
DRIVE_PAGE = "https://drive.google.com/file/d/{}/view"
LICENCE = "MIT"  # of the authors' code, with which they published the weights
CITATION = "Zhou, Wang, Kraehenbuehl: Objects as Points, arXiv:1904.07850, 2019"


@dataclasses.dataclass(frozen=True)
class Preset:
    """One row of the table of published weights.

    Attributes:
        backbone: key of `BACKBONES`.
        task: key of `TASKS`.
        classes: names, in the order of the heatmap's channels.
        file: name of the authors' checkpoint, also in a mirror and in the cache.
        drive_id: id of the file at Google Drive.
        metrics: what the authors measured, in percent: {metric: {condition: value}}.
        recipe: name of the recipe that the authors trained it by.
        cost: (trainable parameters; GFLOP for an image of the input size, two per multiply-add; MB of all parameters
            and statistics in float32).
        input_size: side, or (height, width).
        normalization: key of `NORMALIZATIONS`.
        licence: under which it was published.
        citation: of the paper.
        sha256: of the file, in hexadecimal digits; None: not known, so that of the first download is recorded.
    """

    backbone: str
    task: str
    classes: tuple[str, ...]
    file: str
    drive_id: str
    metrics: Mapping[str, Mapping[str, float]]
    recipe: str
    cost: tuple[int, float, int]
    input_size: int | tuple[int, int] = 512
    normalization: str = "published"
    licence: str = LICENCE
    citation: str = CITATION
    sha256: str | None = None

    @property
    def address(self) -> str:
        """Where the file is downloaded from."""
        return DRIVE.format(self.drive_id)

    @property
    def page(self) -> str:
        """The web page of the file."""
        return DRIVE_PAGE.format(self.drive_id)


def _coco(
    backbone: str, file: str, drive_id: str, recipe: str, cost: tuple, none: float, flip: float, scales: float
) -> Preset:
    metrics = {"AP": {"none": none, "flip": flip, "multi_scale": scales}}
    return Preset(backbone, "detection", COCO_CLASSES, file, drive_id, metrics, recipe, cost)


def _voc(backbone: str, file: str, drive_id: str, recipe: str, cost: tuple, size: int, flip: float) -> Preset:
    metrics = {"mAP50": {"flip": flip}}
    more = {"input_size": size, "normalization": "published_voc_kitti"}
    return Preset(backbone, "detection", VOC_CLASSES, file, drive_id, metrics, recipe, cost, **more)


def _pose(backbone: str, file: str, drive_id: str, recipe: str, cost: tuple, **oks_ap: float) -> Preset:
    return Preset(backbone, "pose", ("person",), file, drive_id, {"OKS_AP": oks_ap}, recipe, cost)


def _kitti(file: str, drive_id: str, recipe: str, cost: tuple, **columns: tuple[float, float, float]) -> Preset:
    metrics = {name: dict(zip(("easy", "moderate", "hard"), row, strict=True)) for name, row in columns.items()}
    more = {"input_size": (384, 1280), "normalization": "published_voc_kitti"}
    return Preset("dla34", "detection_3d", KITTI_CLASSES, file, drive_id, metrics, recipe, cost, **more)


PRESETS = {
    "dla34_coco": _coco(
        "dla34",
        "ctdet_coco_dla_2x.pth",
        "18Q3fzzAsha_3Qid6mn4jcIFPeOGUaj1d",
        "coco_dla34_2x",
        (19_634_164, 66.1, 79),
        37.4,
        39.2,
        41.7,
    ),
    "dla34_coco_1x": _coco(
        "dla34",
        "ctdet_coco_dla_1x.pth",
        "1xqFsdA3DANMq1MfnXG8n7nQPe4AfXTHv",
        "coco_dla34_1x",
        (19_634_164, 66.1, 79),
        36.3,
        38.2,
        40.7,
    ),
    "hourglass104_coco": _coco(
        "hourglass104",
        "ctdet_coco_hg.pth",
        "13F904yXltGIqa_K3g3-FLleaNX0n7c9O",
        "coco_hourglass104",
        (191_284_008, 585.4, 766),
        40.3,
        42.2,
        45.1,
    ),
    "resnet18_coco": _coco(
        "resnet18",
        "ctdet_coco_resdcn18.pth",
        "1RtFps3kQAyLjQyzCao7pPDclOBQ64Vyp",
        "coco_resnet18",
        (14_437_349, 26.6, 58),
        28.1,
        30.0,
        33.2,
    ),
    "resnet101_coco": _coco(
        "resnet101",
        "ctdet_coco_resdcn101.pth",
        "1tKkSyzC3iWmM6XTYNJrC4XLCIToDmnHz",
        "coco_resnet101",
        (49_673_189, 91.2, 199),
        34.6,
        36.2,
        39.3,
    ),
    "dla34_voc_384": _voc(
        "dla34",
        "ctdet_pascal_dla_384.pth",
        "19J7WoUZKYiSEU7vrhZInz5C2m0-9zmC1",
        "voc_dla34_384",
        (19_618_744, 36.9, 79),
        384,
        79.3,
    ),
    "dla34_voc_512": _voc(
        "dla34",
        "ctdet_pascal_dla_512.pth",
        "1Iqqr_VLtG8T3tUzy-EuMaeuCtFuv6pEU",
        "voc_dla34_512",
        (19_618_744, 65.6, 79),
        512,
        80.7,
    ),
    "resnet18_voc_384": _voc(
        "resnet18",
        "ctdet_pascal_resdcn18_384.pth",
        "1mpeslWUt0aJqx99_-UcCzJ7GBcD6sCA-",
        "voc_resnet18_384",
        (14_433_449, 14.9, 58),
        384,
        72.6,
    ),
    "resnet18_voc_512": _voc(
        "resnet18",
        "ctdet_pascal_resdcn18_512.pth",
        "1ILnmGrJQiDK2Ib-D7TzBs2fq5bfju-Bd",
        "voc_resnet18_512",
        (14_433_449, 26.5, 58),
        512,
        75.7,
    ),
    "resnet101_voc_384": _voc(
        "resnet101",
        "ctdet_pascal_resdcn101_384.pth",
        "1-Qy4zMhzmBk9fMF0u2s5zNI0Uj9latsk",
        "voc_resnet101_384",
        (49_669_289, 51.2, 199),
        384,
        77.1,
    ),
    "resnet101_voc_512": _voc(
        "resnet101",
        "ctdet_pascal_resdcn101_512.pth",
        "1TiJkPaofzUaEMLi5wr9TIIUY8G2VewCQ",
        "voc_resnet101_512",
        (49_669_289, 91.0, 199),
        512,
        78.7,
    ),
    "dla34_pose": _pose(
        "dla34",
        "multi_pose_dla_3x.pth",
        "1mC2PAQT_RuHi_9ZMZgkt4rg7BSY2_Lkd",
        "pose_dla34_3x",
        (20_070_618, 80.3, 80),
        flip=58.9,
    ),
    "dla34_pose_1x": _pose(
        "dla34",
        "multi_pose_dla_1x.pth",
        "1WKqVdkIew43SxLTSxi81a-_f4Q9v2Fx5",
        "pose_dla34_1x",
        (20_070_618, 80.3, 80),
        flip=54.7,
    ),
    "hourglass104_pose": _pose(
        "hourglass104",
        "multi_pose_hg_3x.pth",
        "17-YS11iguOQKwPPHUg8LzakLzrgKSLfA",
        "pose_hourglass104_3x",
        (194_811_124, 701.0, 780),
        none=61.9,
        flip=64.0,
    ),
    "hourglass104_pose_1x": _pose(
        "hourglass104",
        "multi_pose_hg_1x.pth",
        "1neg1zfVjRTS45FCdk5hgIV-TxJ0McAew",
        "pose_hourglass104_1x",
        (194_811_124, 701.0, 780),
        flip=58.7,
    ),
    "dla34_kitti_3dop": _kitti(
        "ddd_3dop.pth",
        "1LrAzVJqlZECVuyr_NJI_4xd88mA1fL5b",
        "kitti_3dop",
        (20_060_595, 150.0, 80),
        AP=(96.9, 87.8, 79.2),
        AOS=(93.9, 84.3, 75.7),
        BEV=(34.0, 30.5, 26.8),
    ),
    "dla34_kitti_subcnn": _kitti(
        "ddd_sub.pth",
        "1ZUsUqrM_yTjxaJuDBxm0WTKXj1snVuvP",
        "kitti_subcnn",
        (20_060_595, 150.0, 80),
        AP=(89.6, 79.8, 70.3),
        AOS=(85.7, 75.2, 65.9),
        BEV=(34.9, 27.7, 26.4),
    ),
}


def preset_name(name: str | os.PathLike, backbone: str | None = None) -> str | None:
    """Returns the key in `PRESETS` that a name means: the name itself, or the backbone and the name; else None.

    Examples:
        >>> preset_name("coco", "dla34"), preset_name("./coco", "dla34")
        ('dla34_coco', None)
    """
    text = os.fspath(name)
    return next((key for key in (text, f"{backbone}_{text}") if key in PRESETS), None)


def unknown_name(name: str) -> UserError:
    """Returns the error of something that is neither a file, an address nor a preset."""
    return UserError(
        f"{name}: expected a file, a folder, an address or the name of a preset, got none of them; "
        f"`keras-centernet models` lists the presets.{did_you_mean(name, PRESETS)}"
    )
