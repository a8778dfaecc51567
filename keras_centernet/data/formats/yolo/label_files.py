"""Finds the label file of each image."""

from collections.abc import Iterator, Sequence

from keras_centernet.data.formats.yolo.labels import look_like_labels
from keras_centernet.data.formats.yolo.layout import IMAGE_FOLDERS, LABELS
from keras_centernet.data.formats.yolo.plain_files import LISTS_OF_NAMES
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.reading.listings import Listings
from keras_centernet.files.paths import AnyPath

_NO_LABELS = {name.removesuffix(".txt") for name in LISTS_OF_NAMES}
_DEEPEST = 3  # levels of folders in `annotations` or labels/ that can repeat the images' folders


class LabelFiles:
    """Finds label files: in labels/ for images in images/, beside the images, or in the given folder.

    The place is chosen per folder of images: the first candidate that has a label file for one of them.

    Args:
        root: folder of the data set.
        annotations: folder of the label files; None: the usual places.
    """

    def __init__(self, root: AnyPath, annotations: AnyPath | None = None):
        self._root, self._annotations = root, annotations
        self._listings = Listings()
        self._folders: dict[AnyPath, AnyPath] = {}  # of labels, by the folder of their images

    def path_of(self, image: AnyPath) -> AnyPath:
        """Returns the label file of an image, or where it should be."""
        if image.parent not in self._folders:
            self._folders[image.parent] = self._folder_of(image.parent)
        return self._folders[image.parent] / f"{image.stem}.txt"

    def is_there(self, path: AnyPath) -> bool:
        """Returns whether a label file exists."""
        return self._listings.has(path)

    def without_image(self) -> Iterator[AnyPath]:
        """Yields the label files that belong to no image, in the folders of all files that `path_of` returned."""
        stems: dict[AnyPath, set[str]] = {}
        for images, labels in self._folders.items():
            stems.setdefault(labels, set()).update(self._listings.stems(images, IMAGE_SUFFIXES))
        for labels, known in stems.items():
            for stem in sorted(self._listings.stems(labels, (".txt",)) - known - _NO_LABELS):
                path = labels / f"{stem}.txt"
                if labels not in self._folders or look_like_labels(path):  # folders of images can hold other text files
                    yield path

    def similar_folder(self, images: Sequence[AnyPath]) -> AnyPath | None:
        """Returns another folder of the data set, up to two levels deep, with a label file for one of the images."""
        names = {f"{image.stem}.txt" for image in images}
        folders = [self._root / name for name in sorted(self._listings.names(self._root))]
        folders += [folder / name for folder in folders for name in sorted(self._listings.names(folder))]
        return next((folder for folder in folders if names & self._listings.names(folder)), None)

    def _folder_of(self, images: AnyPath) -> AnyPath:
        candidates = list(dict.fromkeys(self._candidates(images)))
        stems = self._listings.stems(images, IMAGE_SUFFIXES)
        of_images = (folder for folder in candidates if stems & self._listings.stems(folder, (".txt",)))
        return next(of_images, candidates[0])

    def _candidates(self, images: AnyPath) -> Iterator[AnyPath]:
        parts = images.parts
        bases = (self._root / LABELS,) if self._annotations is None else (self._annotations,)
        if self._annotations is None:
            positions = [i for i, part in enumerate(parts) if part in IMAGE_FOLDERS]
            if positions:
                yield type(images)(*parts[: positions[-1]], LABELS, *parts[positions[-1] + 1 :])
            yield images
            bases = (images / LABELS, images.parent / LABELS, *bases)
        names = [part for part in parts if "/" not in part]  # without "/" or "gs://bucket"
        for base in bases:
            for start in range(max(len(names) - _DEEPEST, 0), len(names) + 1):
                yield type(base)(base, *names[start:])
