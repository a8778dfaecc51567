"""The photos of a data set, unchanged, by image id."""

import numpy as np

from keras_centernet.data.images import read_image
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError


def read_photos(source: Source, image_ids: list[int]) -> dict[int, tuple[str, np.ndarray]]:
    """Returns {image id: (name, (H, W, 3) uint8 RGB)}; reads their files alone, or a stream up to the last of them."""
    photos, annotations = {}, source.annotations
    if annotations is not None:
        places = {int(image_id): i for i, image_id in enumerate(annotations.image_ids)}
        for image_id in image_ids:
            name = annotations.image_names[places[image_id]]
            try:
                photos[image_id] = (name.rpartition("/")[2], read_image(name))
            except UserError:  # an image drawn by a program has no file
                continue
    wanted = set(image_ids) - set(photos)
    examples = iter(source.examples()) if wanted else iter(())
    for example in examples:
        image_id = int(example["image_id"])
        if image_id in wanted:
            photos[image_id] = (f"image {image_id}", example["image"].numpy())
            wanted.remove(image_id)
        if not wanted:
            break
    return photos
