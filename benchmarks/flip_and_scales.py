"""How much longer the flip test takes than the plain test, and the five-scale test than its five parts.

The five-scale test is compared with the five one-scale tests that it consists of, all with flip and by wall clock.
The tests take turns for several rounds.

    python benchmarks/flip_and_scales.py --model best.keras --data photos/ --split val --limit 32
"""

import argparse
import statistics
import time

from keras_centernet import evaluate, load_dataset, load_model

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--resize", choices=("fit", "keep"), default="keep")
    parser.add_argument("--limit", type=int, default=32, help="images")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    model = load_model(args.model)

    def view(scale):
        options = {"classes": model.classes, "input_size": model.input_size, "resize": args.resize, "scale": scale}
        return load_dataset(args.data, args.split, batch_size=8, limit=args.limit, **options)

    views = {scale: view(scale) for scale in SCALES}

    def seconds(scales, flip):
        start = time.perf_counter()
        report = evaluate(model, [views[scale] for scale in scales], flip=flip, progress=False)
        metrics = report.metrics["seconds_metrics"]
        return time.perf_counter() - start - metrics, report.metrics["stages_ms"]

    tests = {"plain": ((1.0,), False), "flip": ((1.0,), True), "five scales": (SCALES, True)}
    tests |= {f"scale {scale}": ((scale,), True) for scale in SCALES}
    for test in tests.values():
        seconds(*test)  # traces the graphs
    rounds = [{name: seconds(*test) for name, test in tests.items()} for _ in range(args.rounds)]
    wall = {name: statistics.median(one[name][0] for one in rounds) for name in tests}
    flips = [one["flip"][0] / one["plain"][0] for one in rounds]
    fives = [one["five scales"][0] / sum(one[f"scale {scale}"][0] for scale in SCALES) for one in rounds]
    for name, value in wall.items():
        stages = rounds[-1][name][1]
        print(f"{name:12} {1000 * value / args.limit:8.1f} ms an image   " + stages_text(stages))
    print(f"flip / plain                   {statistics.median(flips):.2f}")
    print(f"five scales / sum of its parts {statistics.median(fives):.2f}")


def stages_text(stages: dict) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in stages.items())


if __name__ == "__main__":
    main()
