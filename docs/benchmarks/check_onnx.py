#!/usr/bin/env python3
"""A run's ONNX file in onnxruntime against what Fovea predicted at the end of training.

Needs Python 3.9+ with numpy, onnx and onnxruntime. Neither the build nor any test uses this file.

    ./fovea export RUN --format onnx
    python docs/benchmarks/check_onnx.py RUN

For runs on idx files (Fashion-MNIST) without resizing: compares the five best classes and their
probabilities in RUN/eval/predictions.csv for all test images.
"""
import argparse
import csv
import gzip
import json
import os

import numpy
import onnx
import onnxruntime

IMAGES = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"


def read_idx(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        header = numpy.frombuffer(file.read(16), ">i4")
        return numpy.frombuffer(file.read(), numpy.uint8).reshape(header[1:])


def softmax(logits):
    exps = numpy.exp(logits.astype(numpy.float64) - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder with export_onnx/model.onnx")
    parser.add_argument("--images", default=IMAGES, help="idx file of the test images")
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()

    path = os.path.join(args.run, "export_onnx", "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    mean, std = (numpy.float32(json.loads(about[key])[0]) for key in ("mean", "std"))
    labels = json.loads(about["class_names"])

    pixels = read_idx(args.images)[:, None].astype(numpy.float32)
    probabilities = numpy.concatenate([
        softmax(session.run(["logits"], {"pixel_values": (part / 255 - mean) / std})[0])
        for part in numpy.array_split(pixels, range(args.batch, len(pixels), args.batch))])

    with open(os.path.join(args.run, "eval", "predictions.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    best = [labels[i] for i in probabilities.argmax(axis=1)]
    right = sum(guess == row["true"] for guess, row in zip(best, rows))
    same = sum(guess == row["pred"] for guess, row in zip(best, rows))
    worst = max(abs(probabilities[i][labels.index(label)] - float(value))
                for i, row in enumerate(rows)
                for label, value in zip(row["top5_labels"].split("|"), row["top5_probs"].split("|")))
    print(f"{about['model']}: onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}: "
          f"accuracy {right / len(rows):.4f}, {same} of {len(rows)} predictions the same, "
          f"probabilities within {worst:.1e}")


if __name__ == "__main__":
    main()
