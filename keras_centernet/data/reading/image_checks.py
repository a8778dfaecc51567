"""Checks the image files of a split: which can be read, and how large they are."""

import os

import numpy as np
from tqdm import tqdm

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.counting import warn_counted
from keras_centernet.data.images import ImageHeader, check_image
from keras_centernet.errors import UserError
from keras_centernet.files.paths import map_files


def keep_readable_images(
    annotations: Annotations, strict: bool, max_pixels: int
) -> tuple[Annotations, list[ImageHeader]]:
    """Returns (annotations without images whose file is missing, cut off or not an image, headers of the kept ones).

    A warning counts the images left out. If `strict`, every image is decoded, which also finds damage in the middle.

    Raises:
        UserError: `strict` is set and a file is bad, or no file is readable.
    """
    names = annotations.image_names

    def header_or_problem(name):
        try:
            return check_image(name, decode=strict, max_pixels=max_pixels)
        except UserError as error:
            return error

    checks = map_files(header_or_problem, names, threads=os.cpu_count())
    results = list(tqdm(checks, "checking images", len(names), delay=2, leave=False, disable=None))
    bad = [result for result in results if isinstance(result, UserError)]
    if bad and strict:
        raise bad[0]
    if bad and len(bad) == len(names):
        raise UserError(f"none of the {len(names)} images of this split can be read; first: {bad[0]}")
    warn_counted([str(problem) for problem in bad], f"of {len(names)} images skipped, file missing or unreadable")
    is_good = np.array([not isinstance(result, UserError) for result in results], bool)
    return annotations.keep_images(is_good), [result for result in results if not isinstance(result, UserError)]
