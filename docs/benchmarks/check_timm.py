#!/usr/bin/env python3
"""The same picture through a run, and through timm and transformers, which read what it exported.

Needs Python 3.9+ with timm, transformers and Pillow. Neither the build nor any test uses this file.

    ./fovea export RUN --format timm
    ./fovea export RUN --format hf
    python docs/benchmarks/check_timm.py RUN...

For each folder: the largest difference of a class's log-probability, and the largest of these in the run. timm
also takes the picture's preprocessing from config.json, and adapts the weights to five classes and to RGB.
"""
import json
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from transformers import AutoModelForImageClassification
from transformers.utils.logging import disable_progress_bar


def predicted(run, picture):
    """What the run itself says: {class name: log-probability}."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        picture.save(file.name)
        command = ["./fovea", "predict", run, file.name, "--topk", "1000", "--format", "json"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {g["label"]: np.log(g["prob"]) for g in json.loads(out)[0]["top"]}


def open_timm(folder, **changes):
    return timm.create_model("local-dir:" + folder, pretrained=True, **changes).eval()


def differing(model, other):
    """How many tensors the two do not share: only the adapted ones may."""
    theirs = other.state_dict()
    return sum(not torch.equal(value, theirs[name]) for name, value in model.state_dict().items())


def check(run):
    with open(run + "/config.json") as file:
        channels, height, width = json.load(file)["pretrained_cfg"]["input_size"]
    shape = (height, width) if channels == 1 else (height, width, channels)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    ours = predicted(run, picture)

    def report(what, names, logits, more=""):
        found = zip(names, logits.log_softmax(1)[0].tolist())
        difference = max(abs(value - ours[name]) for name, value in found)
        print(f"{run} {what}: {difference:.1e} of {max(map(abs, ours.values())):.2f}{more}")

    for what, folder in ("itself", run), ("export_timm", run + "/export_timm"):
        model = open_timm(folder)
        transform = create_transform(**resolve_model_data_config(model), is_training=False)
        pixels = transform(picture)[None]
        heads, stem = [differing(model, open_timm(folder, **changes))
                       for changes in ({"num_classes": 5}, {"in_chans": 4 - channels})]
        more = f"; tensors adapted: {heads} for 5 classes, {stem} for {4 - channels} channels"
        report(what, model.pretrained_cfg["label_names"], model(pixels), more)
    model = AutoModelForImageClassification.from_pretrained(run + "/export_hf").eval()
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    report("export_hf", names, model(pixels).logits)


disable_progress_bar()
with torch.no_grad():
    for run in sys.argv[1:]:
        check(run)
