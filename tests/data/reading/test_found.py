"""`Found`, what readers find: adding, keeping and joining images."""

from keras_centernet.data.reading.found import Found


def make(**images):
    """A `Found` with (name, number of objects) images; object i of image "a" has the class "a<i>"."""
    found = Found("data")
    for name, count in images.items():
        index = found.add_image(f"{name}.jpg", f"{name}.txt", hw=(4, 6), camera=name)
        for number in range(1, count + 1):
            found.add_object(index, f"{name}{number}", (0, 0, 1, 1), number, track=number)
    return found


def names_by_image(found):
    return [[row[1] for row in found.rows if row[0] == i] for i in range(len(found.images))]


def test_kept_images_keep_their_objects_and_fields():
    found = make(a=2, b=1, c=3)
    found.keep([True, False, True])
    assert found.images == ["a.jpg", "c.jpg"]
    assert names_by_image(found) == [["a1", "a2"], ["c1", "c2", "c3"]]
    assert (found.image_fields, found.fields) == ({"camera": ["a", "c"]}, {"track": [1, 2, 1, 2, 3]})
    assert found.where(found.rows[-1]) == "c.txt, object 3"


def test_another_split_is_added():
    found, other = make(a=1), make(b=2)
    found.classes, other.classes = ("x", "y"), ("y", "z")
    found.note("file(s) lost", "1")
    other.note("file(s) lost", "2")
    found.extend(other)
    assert found.images == ["a.jpg", "b.jpg"]
    assert names_by_image(found) == [["a1"], ["b1", "b2"]]
    assert (found.classes, found.notes) == (("x", "y", "z"), {"file(s) lost": ["1", "2"]})
    assert (found.image_fields, found.fields) == ({"camera": ["a", "b"]}, {"track": [1, 1, 2]})


def test_an_image_with_two_label_files_is_joined():
    found = make(a=1, b=1)
    again = found.add_image("a.jpg", "more.txt", camera="a")
    found.add_object(again, "a2", (0, 0, 1, 1), 5, track=5)
    found.merge_repeated()
    assert found.images == ["a.jpg", "b.jpg"]
    assert names_by_image(found) == [["a1", "a2"], ["b1"]]
    assert found.where(found.rows[2]) == "a.txt, object 5 of more.txt"
    assert list(found.notes.values()) == [["more.txt"]]


def test_own_ids_keep_images_apart():
    found = Found("data")
    for image_id in (1, 2):
        found.add_image("a.jpg", image_id=image_id)
    found.merge_repeated()
    assert found.images == ["a.jpg", "a.jpg"]


def test_hidden_regions_are_not_visible():
    found = Found("data")
    assert found.is_visible == []
    found.add_image("a.jpg")
    found.add_object(0, "a", (0, 0, 1, 1), 1)
    assert found.is_visible == [True]
    found = Found("data")
    found.add_image("a.jpg")
    for is_hidden in (True, False):
        found.add_object(0, "a", (0, 0, 1, 1), 1, is_hidden=is_hidden)
    assert found.is_visible == [False, True]
