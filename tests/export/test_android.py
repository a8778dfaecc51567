"""The Android sample: its build files, its numbers against this package's, and its Kotlin code compiled and run."""

import io
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pytest

from keras_centernet import geometry
from keras_centernet.exporting.tflite.serving import OUTPUTS

APP = pathlib.Path(__file__).parents[2] / "export" / "android"
KOTLIN = APP / "app" / "src" / "main" / "kotlin" / "com" / "example" / "centernet"
UNIT_TESTS = APP / "app" / "src" / "test" / "kotlin" / "com" / "example" / "centernet"
COMPILER = pathlib.Path(os.environ.get("KOTLIN_HOME", "~/.cache/kotlin/node_modules/kotlin-compiler")).expanduser()
ANDROID = "{http://schemas.android.com/apk/res/android}"

# One row of LetterboxTest.kt: Fit(480 to 640, 512 to 512, 0.8f, 0f, 64f)
FIT = re.compile(r"Fit\((\d+) to (\d+), (\d+) to (\d+), ([\d.]+)f, ([\d.]+)f, ([\d.]+)f\)")


def coordinates():
    """Returns {library or plugin: version} of the Gradle files."""
    text = "".join((APP / name).read_text() for name in ("build.gradle.kts", "app/build.gradle.kts"))
    libraries = re.findall(r'(?:classpath|mplementation)\("([^"]+):([^":]+)"\)', text)
    return dict(libraries + re.findall(r'id\("([^"]+)"\) version "([^"]+)"', text))


def test_every_library_has_one_exact_version():
    versions = coordinates()
    assert versions["com.google.ai.edge.litert:litert"] == "2.3.0"
    assert {"com.google.mediapipe:tasks-vision", "androidx.activity:activity-ktx"} < set(versions)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), versions


def test_the_compiler_of_the_check_is_the_one_of_the_build():
    version = coordinates()["org.jetbrains.kotlin:kotlin-gradle-plugin"]
    assert set(re.findall(r"kotlin-compiler@([\d.]+)", (APP / "check" / "check.sh").read_text())) == {version}


def test_readme_names_the_versions_of_the_build():
    readme = (APP / "README.md").read_text()
    named = {name: version for name, version in coordinates().items() if "mediapipe" in name or "litert" in name}
    assert len(named) == 2
    assert all(f"{name}:{version}" in readme for name, version in named.items())


def test_manifest_names_the_activity_and_the_resources_that_exist():
    application = ElementTree.parse(APP / "app/src/main/AndroidManifest.xml").getroot().find("application")
    name = application.find("activity").get(f"{ANDROID}name")
    assert f"class {name.removeprefix('.')} : ComponentActivity()" in (KOTLIN / "MainActivity.kt").read_text()
    actions = {action.get(f"{ANDROID}name") for action in application.iter("action")}
    assert actions == {"android.intent.action.MAIN"}
    resource = application.find("provider/meta-data").get(f"{ANDROID}resource")
    paths = ElementTree.parse(APP / "app/src/main/res" / f"{resource.removeprefix('@')}.xml").getroot()
    assert [path.get("path") for path in paths] == ["images/"]


def test_provider_has_the_name_that_the_activity_asks_for():
    provider = ElementTree.parse(APP / "app/src/main/AndroidManifest.xml").getroot().find("application/provider")
    suffix = provider.get(f"{ANDROID}authorities").removeprefix("${applicationId}")
    assert f'"$packageName{suffix}"' in (KOTLIN / "MainActivity.kt").read_text()


def test_letterbox_has_the_numbers_of_this_package():
    rows = FIT.findall((UNIT_TESTS / "LetterboxTest.kt").read_text())
    assert len(rows) == 7
    for row in rows:
        height, width, input_height, input_width = map(int, row[:4])
        zoom, shift_x, shift_y = map(float, row[4:])
        expected = geometry.letterbox((height, width), (input_height, input_width))
        np.testing.assert_allclose([[zoom, 0, shift_x], [0, zoom, shift_y]], expected, rtol=1e-6, atol=1e-4)


def test_app_asks_for_the_names_of_the_exported_signature(tiny_model, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    from keras_centernet.exporting import export_tflite

    path = export_tflite(tiny_model(), tmp_path / "detector.tflite", top_k=5)
    ((key, signature),) = Interpreter(os.fspath(path)).get_signature_list().items()
    source = (KOTLIN / "LiteRtDetector.kt").read_text()
    assert re.search(r'SIGNATURE = "(\w+)"', source)[1] == key
    assert [re.search(r'INPUT = "(\w+)"', source)[1]] == signature["inputs"]
    outputs = re.findall(r'"(\w+)"', re.search(r"OUTPUTS = listOf\((.*)\)", source)[1])
    assert outputs == list(OUTPUTS)
    assert set(outputs) == set(signature["outputs"])


def image_model(dtype: str, input_hw: tuple[int, int]) -> bytes:
    """Returns a TFLite file that takes one image of that type and size."""
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *input_hw, 3), dtype, name="images")]
    function = tf.function(lambda images: tf.cast(images, "float32") + 1.0, input_signature=signature)
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert()


def zipped(labels: str, after: bytes = b"") -> bytes:
    """Returns `after` followed by a zip with labels.txt whose offsets count from the start of `after`."""
    file = io.BytesIO(after)
    file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", labels)
    return file.getvalue()


def test_check_without_a_compiler_says_how_to_get_one(tmp_path):
    command = ["sh", os.fspath(APP / "check" / "check.sh")]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"KOTLIN_HOME": os.fspath(tmp_path)})
    assert run.returncode == 2
    assert f"Expected a Kotlin compiler in {tmp_path}; install one with" in run.stderr
    assert "npm install" in run.stderr


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Runs check.sh on files of all kinds; returns (exit status, its output, {file name: line})."""
    if not (COMPILER / "bin" / "kotlinc").is_file():
        pytest.skip("no Kotlin compiler: export/android/check/check.sh says how to install it")
    folder = tmp_path_factory.mktemp("android")
    float32, uint8 = image_model("float32", (64, 96)), image_model("uint8", (320, 256))
    (folder / "float32.tflite").write_bytes(zipped("cat\nfire truck\n", after=float32))
    (folder / "uint8.tflite").write_bytes(uint8 + zipped("person\n"))
    (folder / "nameless.tflite").write_bytes(float32)
    (folder / "int32.tflite").write_bytes(image_model("int32", (8, 8)))
    (folder / "text.tflite").write_bytes(b"no flatbuffer at all")
    paths = sorted(map(os.fspath, folder.iterdir()))
    command = ["sh", os.fspath(APP / "check" / "check.sh"), *paths]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"KOTLIN_HOME": os.fspath(COMPILER)})
    lines = dict(line.split(": ", 1) for line in run.stdout.splitlines() if ".tflite: " in line)
    return run.returncode, run.stdout + run.stderr, {pathlib.Path(path).name: line for path, line in lines.items()}


@pytest.mark.slow
def test_kotlin_compiles_and_its_unit_tests_pass(check):
    status, printed, _ = check
    assert status == 0, printed
    count = sum(path.read_text().count("@Test\n") for path in UNIT_TESTS.iterdir())
    assert f"\n{count} passed, 0 failed\n" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("float32.tflite", "64 x 96 float32, classes: cat, fire truck"),
        ("uint8.tflite", "320 x 256 uint8, classes: person"),
        ("nameless.tflite", "64 x 96 float32, classes: "),
        ("int32.tflite", "Expected a float32 or uint8 input, got TFLite's type 2."),
        ("text.tflite", "Expected a TFLite file, got 20 bytes that are something else."),
    ],
)
def test_app_reads_size_type_and_names_of_a_file(check, name, expected):
    assert check[2][name] == expected
