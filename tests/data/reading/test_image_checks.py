import numpy as np
import pytest

from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.request import MAX_PIXELS
from keras_centernet.data.reading.image_checks import keep_readable_images
from keras_centernet.errors import DataWarning, UserError


class TestUnreadableImages:
    @pytest.fixture
    def table(self, tmp_path, write_image):
        names = [tmp_path / name for name in ("cut.jpg", "good.jpg", "missing.jpg")]
        write_image(names[0])
        names[0].write_bytes(names[0].read_bytes()[:500])
        write_image(names[1])
        return build_annotations(
            [str(name) for name in names], [(i, 1, 1, 5, 5, 0, False, False, None) for i in range(3)]
        )

    def test_are_skipped_with_a_count_and_the_first(self, table):
        message = "2 of 3 images skipped, file missing or unreadable; first: image .*cut.jpg: expected a complete file"
        with pytest.warns(DataWarning, match=message):
            kept, headers = keep_readable_images(table, False, MAX_PIXELS)
        assert [name.rsplit("/", 1)[1] for name in kept.image_names] == ["good.jpg"]
        np.testing.assert_array_equal(kept.image_index, [0])
        assert [header.hw for header in headers] == [(48, 64)]

    def test_stop_at_the_first_when_strict(self, table):
        with pytest.raises(UserError, match=r"cut.jpg: expected a complete file, got one cut off after 500 bytes"):
            keep_readable_images(table, True, MAX_PIXELS)

    def test_are_an_error_when_nothing_is_left(self, table):
        bad = table.keep_images(np.array([True, False, True]))
        with pytest.raises(UserError, match=r"none of the 2 images of this split can be read; first: image .*cut.jpg"):
            keep_readable_images(bad, False, MAX_PIXELS)
