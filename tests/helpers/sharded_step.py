"""Checks how `fit` shares a batch among eight devices of JAX, all on this CPU. Run in a process of its own:

KERAS_BACKEND=jax python tests/helpers/sharded_step.py CASE NETWORK
"""

import os
import pathlib
import re
import sys
import tempfile

DEVICES, IMAGES, EPOCHS = 8, 16, 2
STEPS = ("train_step", "test_step")
MESSAGE = re.compile(r" (all-[a-z-]+|reduce-scatter|collective-[a-z-]+|ragged-[a-z-]+|send|recv)(?:-start)?\(")
CALLS_TO_THE_HOST = ("callback", "outfeed", "infeed", "is_host_transfer")


def main(case: str, network: str) -> None:
    """Trains and evaluates, and checks what XLA made of both steps; JAX reads its flags when it is imported."""
    with tempfile.TemporaryDirectory() as folder:
        steps = f"--xla_dump_to={folder} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=jit_({'|'.join(STEPS)})"
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES} {steps}"
        fit(case, network)
        for step in STEPS:
            (path,) = pathlib.Path(folder).glob(f"*.jit_{step}.cpu_after_optimizations.txt")  # compiled once
            check_program(path.read_text())


def fit(case: str, network: str) -> None:
    """Trains and evaluates one step per epoch, and checks what goes into the steps and comes out."""
    import keras

    from tests.helpers.step_cases import batch, build

    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    model, (images, objects) = build(case, network), batch(case, IMAGES)
    figures = []

    def watched(run):
        def step(state, iterator):
            data = next(iterator)
            check_split(data, 1 + len(objects))
            check_whole(state)
            results = run(state, iter([data]))
            check_whole(results)
            figures.append(results[0])
            return results

        return step

    model.make_train_function()
    model.make_test_function()
    model.train_function, model.test_function = watched(model.train_function), watched(model.test_function)
    data = {"batch_size": IMAGES, "validation_data": (images, objects)}
    model.fit(images, objects, epochs=EPOCHS, verbose=0, **data)
    assert len(figures) == EPOCHS * len(STEPS)


def check_split(data, count: int) -> None:
    """Checks that each array of a batch is split into equal parts on all devices."""
    import jax

    arrays = jax.tree.leaves(data)
    assert len(arrays) == count
    for array in arrays:
        assert len(array.sharding.device_set) == DEVICES
        assert array.sharding.shard_shape(array.shape) == (IMAGES // DEVICES, *array.shape[1:])


def check_whole(values) -> None:
    """Checks that every array is complete on each device."""
    import jax

    for array in jax.tree.leaves(values):
        assert len(array.sharding.device_set) == DEVICES
        assert array.sharding.is_fully_replicated


def check_program(text: str) -> None:
    """Checks that devices exchange only sums, and that nothing calls Python."""
    assert text.count(" = ") > 100
    assert set(MESSAGE.findall(text)) == {"all-reduce"}
    assert not [word for word in CALLS_TO_THE_HOST if word in text]


if __name__ == "__main__":
    main(*sys.argv[1:])
