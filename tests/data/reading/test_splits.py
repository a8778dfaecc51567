"""Made splits: the same on every machine, no near copies across parts, and all classes in both parts."""

import time

import numpy as np
import pytest

from keras_centernet.data.reading.splits import make_split


def rows_of(objects):
    """(image index of each object, class of each object), from the classes of the objects in each image."""
    image_index = np.repeat(np.arange(len(objects)), [len(classes) for classes in objects])
    return image_index, np.array([number for classes in objects for number in classes], int)


def split(names, objects=None, share=0.2):
    """The split made of images whose objects have these classes; None: one object of class 0 per image."""
    made = make_split(names, *rows_of([[0]] * len(names) if objects is None else objects), share)
    assert sorted([*made["train"], *made["val"]]) == sorted(names)
    positions = {name: i for i, name in enumerate(names)}
    assert all(list(part) == sorted(part, key=positions.get) for part in made.values())
    return made


def unrelated(count, seed=0):
    """Random names, no two of which look related."""
    letters = np.random.default_rng(seed).integers(0, 26, (count, 12))
    return ["".join(chr(97 + letter) for letter in row) + ".jpg" for row in letters]


def drawn_objects(count, classes, most, seed=0):
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, classes + 1)
    return [rng.choice(classes, rng.integers(0, most + 1), p=share / share.sum()).tolist() for _ in range(count)]


def shares(made, names, objects):
    """(share of the images in "val", share of each class's objects in "val")."""
    val = set(made["val"])
    counts = np.zeros((2, 1 + max(number for classes in objects for number in classes)))
    for name, classes in zip(names, objects, strict=True):
        for number in classes:
            counts[:, number] += 1, name in val
    return len(val) / len(names), counts[1] / counts[0]


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (1, 0), (2, 1), (3, 1), (5, 1), (8, 2), (10, 2), (50, 10), (101, 20)]
)
def test_sizes_of_the_parts(count, expected):
    assert len(split(unrelated(count))["val"]) == expected


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
def test_the_share_is_that_of_the_images_and_of_each_class(share):
    names, objects = unrelated(600), drawn_objects(600, 12, 5)
    of_images, of_classes = shares(split(names, objects, share), names, objects)
    assert abs(of_images - share) < 0.01
    np.testing.assert_allclose(of_classes, share, atol=0.05)


def test_classes_are_spread_over_a_numbered_series():
    names, objects = [f"images/{i:06d}.jpg" for i in range(2000)], drawn_objects(2000, 8, 4)
    of_images, of_classes = shares(split(names, objects), names, objects)
    assert abs(of_images - 0.2) < 0.03
    np.testing.assert_allclose(of_classes, 0.2, atol=0.06)


@pytest.mark.parametrize("name", ["img_{i:04d}.jpg", "class{c}_{i}.jpg", "{c}/{i}.jpg"])
@pytest.mark.parametrize(("count", "classes"), [(60, 2), (100, 3), (100, 10), (500, 7), (1000, 20)])
def test_images_that_are_sorted_by_class_have_all_classes_on_both_sides(name, count, classes):
    objects = [[i * classes // count] for i in range(count)]
    names = [name.format(i=i, c=number) for i, (number,) in enumerate(objects)]
    of_images, of_classes = shares(split(names, objects), names, objects)
    assert of_images == pytest.approx(0.2, abs=0.06)
    assert of_classes.min() > 0.05
    assert of_classes.max() < 0.4


def test_a_class_in_one_film_only_is_on_both_sides():
    films = [[f"{film}_{i}.jpg" for i in range(25)] for film in "abcdef"]
    names = [frame for film in films for frame in film]
    objects = [[0, 1] if name.startswith("b") else [0] for name in names]
    made = split(names, objects)
    assert [len(parts_of(made, film)) for film in films] == [1, 2, 1, 1, 1, 1]


def test_many_rare_classes_do_not_empty_the_training_part():
    names, objects = unrelated(300), [[i // 3] for i in range(300)]
    of_images, of_classes = shares(split(names, objects), names, objects)
    assert of_images == pytest.approx(0.2, abs=0.02)
    assert np.isin(np.round(of_classes * 3), (0, 1)).all()


def test_both_parts_have_objects():
    for seed in range(20):
        made = split(names := unrelated(6, seed), [[0], [], [], [], [], [0]])
        assert {names[0] in made["val"], names[5] in made["val"]} == {True, False}


def test_the_split_does_not_depend_on_the_order():
    names, objects = unrelated(200), drawn_objects(200, 6, 4)
    expected = {part: set(found) for part, found in split(names, objects).items()}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(names))
        made = split([names[i] for i in order], [objects[i][::-1] for i in order])
        assert {part: set(found) for part, found in made.items()} == expected


def test_the_split_is_still_that_of_earlier_versions():
    """If these names changed, every split made without a run's folder would get other images."""
    made = split([f"{name}.jpg" for name in ("ape", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")])
    assert made["val"] == ("ape.jpg", "gnu.jpg")


def parts_of(made, names):
    """The parts that hold any of the images."""
    return {part for part, found in made.items() if set(found) & set(names)}


@pytest.mark.parametrize(
    "names",
    [
        ("a/photo.jpg", "a/photo (1).jpg", "a/Photo (2).png"),
        ("photo.jpg", "photo copy.jpg", "photo copy 2.jpg", "photo - Copy.jpg", "photo - Copy (2).jpg"),
        ("photo_jpg.rf.0a1b2c3d4e5f.jpg", "photo_jpg.rf.ffffffffffff.jpg", "photo_jpg.rf.123456abcdef.jpg"),
        ("photo.jpg", "photo_aug_1.jpg", "photo_aug_22.jpg", "photo_hflip.jpg", "photo_flipped_rot90.jpg"),
        ("photo.jpg", "photo.jpg#1"),
    ],
    ids=["numbered copies", "copies", "Roboflow", "augmented", "listed twice"],
)
def test_copies_stay_together(names):
    for seed in range(10):
        assert len(parts_of(split([*unrelated(40, seed), *names]), names)) == 1


def test_nothing_but_copies_of_one_image():
    assert len(split(["photo.jpg", "photo (1).jpg"])["val"]) == 1


def test_many_names_with_numbers_in_brackets_are_no_copies():
    names = [f"{kind} ({i}).jpg" for kind in ("cat", "dog") for i in range(1, 51)]
    made = split(names, [[0]] * 50 + [[1]] * 50)
    assert len(made["val"]) == pytest.approx(20, abs=2)
    assert {name[:3] for name in made["val"]} == {"cat", "dog"}


@pytest.mark.parametrize("name", ["film{film}/frame_{i:04d}.jpg", "film-{film}-{i}.png", "{film}clip_{i}_left.jpg"])
@pytest.mark.parametrize(("films", "held_out"), [("abcdefghij", 2), ("abcdef", 1), ("abcd", 1), ("abc", 1)])
def test_films_stay_whole(name, films, held_out):
    films = [[name.format(film=film, i=i) for i in range(0, 60, 3)] for film in films]
    made = split([frame for film in films for frame in film])
    assert all(len(parts_of(made, film)) == 1 for film in films)
    assert len(made["val"]) == 20 * held_out


def test_a_film_among_photos_does_not_change_the_share():
    film, photos = [f"film{i}.jpg" for i in range(60)], unrelated(140)
    made = split(film + photos)
    assert len(parts_of(made, film)) == 1
    assert len(made["val"]) == pytest.approx(40, abs=3)


@pytest.mark.parametrize("frames", [100, 1000])
def test_one_film_is_cut_into_few_stretches(frames):
    names = [f"frame{i}.jpg" for i in range(frames)]  # in numerical, not alphabetical order
    made = split(names)
    assert len(made["val"]) == pytest.approx(frames / 5, rel=0.1)
    in_val = np.isin(names, made["val"])
    assert np.count_nonzero(in_val[1:] != in_val[:-1]) <= frames / 15


def test_digits_of_folders_are_no_frame_numbers():
    made = split([f"2020/{name}" for name in unrelated(20)] + [f"2021/{name}" for name in unrelated(20, 1)])
    assert len(made["val"]) == 8


@pytest.mark.parametrize("name", ["9" * 5000 + ".jpg", "", ".jpg", "photo (1)", "a/_copy.jpg", "\udcff.jpg", "٣.jpg"])
def test_odd_names(name):
    split([name, *unrelated(5)])


def test_ten_thousand_images_take_a_moment():
    names, rows = unrelated(10_000), rows_of(drawn_objects(10_000, 80, 8))
    start = time.process_time()
    made = make_split(names, *rows, 0.2)
    assert time.process_time() - start < 2
    assert len(made["val"]) == pytest.approx(2000, abs=20)
