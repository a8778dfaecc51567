"""Finding images by the names that label files use."""

import pytest

from keras_centernet.data.reading.image_files import ImageFiles, files_below, images_in

CASE, SUFFIX = (
    "image(s) found under a name with other upper and lower case",
    "image(s) found under a name with another suffix",
)
FOLDER, BACKSLASHES = (
    "image(s) found in another folder than their label file says",
    "name(s) of images with backslashes, read as /",
)


@pytest.fixture
def root(tmp_path):
    """first/ with a.jpg, x/b.png and "my photo.JPG"; second/ with a.jpg and c.webp; third/ with d.jpg and two e."""
    for name in (
        *("first/a.jpg", "first/x/b.png", "first/my photo.JPG", "first/back\\slash.jpg", "second/a.jpg"),
        *("second/c.webp", "third/d.jpg", "third/1/e.jpg", "third/2/e.jpg", "third/._d.jpg", "third/notes.txt"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "first" / "folder.jpg").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected", "notes"),
    [
        ("a.jpg", "first/a.jpg", []),
        ("x/b.png", "first/x/b.png", []),
        ("./x/../x/b.png", "first/x/b.png", []),
        ("c.webp", "second/c.webp", []),
        ("my photo.JPG", "first/my photo.JPG", []),
        ("back\\slash.jpg", "first/back\\slash.jpg", []),
        ("x\\b.png", "first/x/b.png", [BACKSLASHES]),
        ("A.JPG", None, []),  # two files match
        ("C.WEBP", "second/c.webp", [CASE]),
        ("X/B.png", "first/x/b.png", [CASE]),
        ("c.jpg", "second/c.webp", [SUFFIX]),
        ("c", "second/c.webp", [SUFFIX]),
        ("d.jpg", "third/d.jpg", [FOLDER]),
        ("/home/me/photos/c.webp", "second/c.webp", [FOLDER]),
        ("C:\\photos\\c.webp", "second/c.webp", [FOLDER, BACKSLASHES]),
        ("e.jpg", None, []),
        ("nothing.jpg", None, []),
        ("folder.jpg", None, []),
        ("notes.txt", None, []),
        ("", None, []),
        ("x" * 300, None, []),
        ("a\0.jpg", None, []),
    ],
)
def test_the_image_of_a_name(root, name, expected, notes):
    images = ImageFiles([root / "first", root / "second", root / "none"], root)
    path = images.find(name)
    assert images.notes == {note: [name if note == BACKSLASHES else name.replace("\\", "/")] for note in notes}
    if expected is None:
        assert str(path).startswith(f"{root}/first")  # the path where the image was expected
        assert images.missing == [name]
    else:
        assert path == root / expected
        assert images.missing == []


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("a", "first/a.jpg"),
        ("x/b", "first/x/b.png"),
        ("my photo", "first/my photo.JPG"),
        ("c", "second/c.webp"),
        ("d", None),
    ],
)
def test_the_image_of_a_stem(root, stem, expected):
    images = ImageFiles([root / "first", root / "second"], root)
    assert images.find_stem(stem) == (None if expected is None else root / expected)
    assert images.notes == {}


def test_absolute_names(root):
    images = ImageFiles([root / "first"], root)
    assert images.find(f"{root}/third/d.jpg") == root / "third" / "d.jpg"
    assert images.notes == {}


def test_a_file_with_an_exact_match_is_not_guessed_for_another_name(root):
    images = ImageFiles([root / "second"], root / "second")
    assert images.find_all(["C.webp", "c.webp"])[1] == root / "second" / "c.webp"
    assert images.missing == ["C.webp"]


def test_others_lie_beside_those_that_were_found(root):
    images = ImageFiles([root / "first", root / "second"], root)
    assert images.others() == []
    images.find("c.webp")
    assert images.others() == [root / "second" / "a.jpg"]
    images.find("d.jpg")
    assert images.others() == [root / "second" / "a.jpg"]  # hidden files do not count


def test_images_of_a_folder(root):
    assert images_in(root / "third") == [root / "third" / name for name in ("1/e.jpg", "2/e.jpg", "d.jpg")]
    assert files_below(root / "third", (".txt",)) == [root / "third" / "notes.txt"]
