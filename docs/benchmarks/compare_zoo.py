#!/usr/bin/env python3
"""One network of each family against its PyTorch counterpart: speed and memory on one CPU.

Needs Python 3.9+ with torch, torchvision, timm and transformers. Neither the build nor any test uses
this file.

    python docs/benchmarks/compare_zoo.py build/release/bin/benchmark_models

Both sides run in processes of their own, in turns, so that a disturbance of the machine hits them alike;
a pair whose parameter counts differ is an error. PyTorch runs eagerly; convolutional
networks run in both of its memory layouts, and the faster counts. Writes zoo_cpu.md and zoo_cpu.csv.
"""
import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # no __pycache__ beside this file
from compare_pytorch import (HERE, build_model, cpu_name, load_average, new_optimizer, resident_kib,
                             spread, train_step)


# ---- the counterparts ----------------------------------------------------------------------------

def torchvision_model(name):
    import torchvision
    return getattr(torchvision.models, name)()


def timm_model(name):
    import timm
    # timm's own deit has no drop-path unless asked for; the authors train all sizes with 0.1.
    return timm.create_model(name, drop_path_rate=0.1 if name.startswith("deit") else 0.0)


def timm_vit(**config):
    from timm.models.vision_transformer import VisionTransformer
    return VisionTransformer(mlp_ratio=2, **config)


def torchvision_swin(channels=3, **config):
    import torch
    from torchvision.models import SwinTransformer
    model = SwinTransformer(mlp_ratio=2.0, **config)
    if channels != 3:
        side = config["patch_size"]
        model.features[0][0] = torch.nn.Conv2d(channels, config["embed_dim"], side, side)
    return model


def transformers_cvt(**config):
    import torch
    from transformers import CvtConfig, CvtForImageClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = CvtForImageClassification(CvtConfig(**config))

        def forward(self, images):
            return self.model(images).logits

    return Logits()


def resnet18_64():
    """torchvision's, with a stem that keeps the size of a small image."""
    import torch
    import torchvision
    model = torchvision.models.resnet18(num_classes=200)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    return model


def teacher_bn():
    """Three pairs of 3x3 convolutions with BatchNorm, the mean over the map, one linear layer."""
    from torch import nn
    layers, channels = [], 1
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def cvt_28():
    import torch
    return build_model(torch)


class Pair:
    """A model of Fovea, the library and constructor of its counterpart, and how to measure both."""

    def __init__(self, name, library, make, image, batch, convolutional=False, steps=3, warmup=1):
        self.name, self.library, self.make = name, library, make
        self.side, self.channels, self.classes = image
        self.batch, self.convolutional, self.steps, self.warmup = batch, convolutional, steps, warmup

    def counts(self, steps, kind):
        """Measured steps (`steps`, or its own number if 0) and warm-up steps."""
        own = self.steps if kind == "train" else self.steps + 2
        return steps or own, min(self.warmup, steps or own)


IMAGENET, TINY, GREY = (224, 3, 1000), (64, 3, 200), (28, 1, 10)  # side, channels, classes

PAIRS = {pair.name: pair for pair in [
    Pair("alexnet", "torchvision", lambda: torchvision_model("alexnet"), IMAGENET, 8, True),
    Pair("resnet18", "torchvision", lambda: torchvision_model("resnet18"), IMAGENET, 8, True),
    Pair("resnet50", "torchvision", lambda: torchvision_model("resnet50"), IMAGENET, 8, True),
    Pair("vit_tiny_patch16_224", "timm", lambda: timm_model("vit_tiny_patch16_224"), IMAGENET, 8),
    Pair("deit_tiny_distilled_patch16_224", "timm",
         lambda: timm_model("deit_tiny_distilled_patch16_224"), IMAGENET, 8),
    Pair("swin_t", "torchvision", lambda: torchvision_model("swin_t"), IMAGENET, 8),
    Pair("cvt13", "transformers", lambda: transformers_cvt(num_labels=1000), IMAGENET, 8),
    Pair("resnet18_64", "torchvision", resnet18_64, TINY, 8, True),
    Pair("vit_64", "timm", lambda: timm_vit(
        img_size=64, patch_size=8, num_classes=200, embed_dim=192, depth=9, num_heads=12,
        qkv_bias=False, drop_path_rate=0.1), TINY, 32, steps=8),
    Pair("swin_64", "torchvision", lambda: torchvision_swin(
        patch_size=[4, 4], embed_dim=96, depths=[2, 6, 4], num_heads=[3, 6, 12], window_size=[4, 4],
        num_classes=200, stochastic_depth_prob=0.1), TINY, 32, steps=6),
    Pair("cvt_64", "transformers", lambda: transformers_cvt(
        depth=[1, 2, 6], drop_path_rate=[0.0, 0.0, 0.1], num_labels=200), TINY, 32, steps=6),
    Pair("teacher_bn", "plain PyTorch", teacher_bn, GREY, 128, True, steps=4),
    Pair("vit_28", "timm", lambda: timm_vit(
        img_size=28, patch_size=4, in_chans=1, num_classes=10, embed_dim=96, depth=6, num_heads=3),
        GREY, 128, steps=15, warmup=4),
    Pair("swin_28", "torchvision", lambda: torchvision_swin(
        channels=1, patch_size=[2, 2], embed_dim=32, depths=[2, 2], num_heads=[2, 4],
        window_size=[7, 7], num_classes=10, stochastic_depth_prob=0.0), GREY, 128, steps=15, warmup=4),
    Pair("cvt_28", "plain PyTorch", cvt_28, GREY, 128, steps=20, warmup=5),
]}


# ---- measuring -----------------------------------------------------------------------------------

def timed(step, batch, steps, warmup):
    seconds = []
    for _ in range(warmup + steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    seconds = seconds[warmup:]
    return {"images_per_s": batch / statistics.median(seconds), "best": batch / min(seconds)}


def measure_pytorch(name, who, threads, steps):
    """Inference, then training. Runs in a process of its own; prints one line of JSON."""
    pair = PAIRS[name]
    import torch
    torch.set_num_threads(threads)
    if pair.library == "timm":
        import timm  # noqa: F401
    elif pair.library == "torchvision":
        import torchvision  # noqa: F401
    elif pair.library == "transformers":
        from transformers import CvtForImageClassification  # noqa: F401
    before = resident_kib("VmRSS:")  # after the imports
    torch.manual_seed(42)
    layout = torch.channels_last if who == "channels_last" else torch.contiguous_format
    model = pair.make().to(memory_format=layout)
    images = torch.randn(pair.batch, pair.channels, pair.side, pair.side).to(memory_format=layout)

    def infer():
        with torch.inference_mode():
            model(images)

    def train():
        train_step(torch, model, model, optimizer, images, labels)

    results = {}
    for kind, step in (("infer", infer), ("train", train)):
        model.train(kind == "train")
        if kind == "train":
            labels, optimizer = torch.arange(pair.batch) % pair.classes, new_optimizer(torch, model)
        results[kind] = timed(step, pair.batch, *pair.counts(steps, kind))
        results[kind]["peak_mib"] = (resident_kib("VmHWM:") - before) / 1024
        results[kind]["parameters_m"] = sum(p.numel() for p in model.parameters()) / 1e6
    print(json.dumps(results))


def output_of(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure_fovea(args, pair, kind):
    steps, warmup = pair.counts(args.steps, kind)
    row = json.loads(output_of(
        [args.binary, pair.name, "--json", "--batch", str(pair.batch), "--iters", str(steps), "--warmup",
         str(warmup), "--threads", str(args.threads)] + (["--train"] if kind == "train" else [])))[0]
    return {"images_per_s": row[kind + "_samples_per_sec"], "best": row["samples_per_sec_max"],
            "peak_mib": row["peak_mib"], "parameters_m": row["param_count"], "gmacs": row["gmacs"],
            "sgemm": row["sgemm_gflops"], "share": row["share_of_sgemm"]}


def measure(args, pair, who):
    """{"infer": figures, "train": figures}"""
    if who == "fovea":
        return {kind: measure_fovea(args, pair, kind) for kind in ("infer", "train")}
    job = ["--worker", pair.name, who, str(args.threads), str(args.steps)]
    return json.loads(output_of([sys.executable, __file__] + job).splitlines()[-1])


def measure_all(args):
    """Turns of all pairs; fewer repetitions where the budget ends first."""
    rows, start = [], time.monotonic()
    for repeat in range(args.repeats):
        for name in args.models:
            if time.monotonic() - start > args.budget:
                print("out of time", flush=True)
                return rows
            pair, turn = PAIRS[name], []
            for who in ["fovea", "eager"] + (["channels_last"] if pair.convolutional else []):
                load = load_average()
                turn += [{"repeat": repeat, "model": name, "who": who, "kind": kind,
                          "batch": pair.batch, "load": load, **result}
                         for kind, result in measure(args, pair, who).items()]
            counts = [row["parameters_m"] for row in turn]
            if max(counts) - min(counts) > 1e-4:
                sys.exit(f"{name}: not the same model, millions of parameters {counts}")
            rows += turn
            rates = "  ".join(f"{r['who']}-{r['kind']} {r['images_per_s']:.1f}" for r in turn)
            print(f"{time.monotonic() - start:4.0f} s  {repeat} {name}  {rates}", flush=True)
    return rows


# ---- report --------------------------------------------------------------------------------------

def figures(rows, name, kind, who, key):
    return [r[key] for r in rows if (r["model"], r["kind"], r["who"]) == (name, kind, who)]


def faster_layout(rows, name, kind):
    rates = {who: figures(rows, name, kind, who, "images_per_s") for who in ("eager", "channels_last")}
    return max((who for who in rates if rates[who]), key=lambda who: statistics.median(rates[who]))


def slower_than_pytorch(rows, names, kind):
    """The models whose median speed ratio is below 1, as text."""
    def ratio(name):
        peer = faster_layout(rows, name, kind)
        return statistics.median(a / b for a, b in zip(figures(rows, name, kind, "fovea", "images_per_s"),
                                                       figures(rows, name, kind, peer, "images_per_s")))

    slow = [f"{name} ({ratio(name):.2f})" for name in names if ratio(name) < 1]
    return "Slower than PyTorch: " + (", ".join(slow) or "none") + ".\n"


def table_row(rows, name, kind):
    def of(who, key):
        return figures(rows, name, kind, who, key)

    peer = faster_layout(rows, name, kind)
    pair, digits = PAIRS[name], 1 if statistics.median(of("fovea", "images_per_s")) < 200 else 0

    def ratio(key):
        return spread([a / b for a, b in zip(of("fovea", key), of(peer, key))], 2)

    # Both sides do the same multiply-adds, so PyTorch's share follows from its rate.
    share = statistics.median(of("fovea", "share"))
    peer_share = statistics.median(
        p / f * s for p, f, s in zip(of(peer, "images_per_s"), of("fovea", "images_per_s"),
                                     of("fovea", "share")))
    memory = [f"{statistics.median(of(w, 'peak_mib')):.0f}" for w in ("fovea", peer)]
    return "| " + " | ".join(
        [name, f"{pair.side}x{pair.side}x{pair.channels}", str(pair.batch),
         pair.library + (", channels last" if peer == "channels_last" else ""),
         spread(of("fovea", "images_per_s"), digits), spread(of(peer, "images_per_s"), digits),
         ratio("images_per_s"), f"{100 * share:.0f} / {100 * peer_share:.0f}",
         " / ".join(memory), ratio("peak_mib")]) + " |"


def report(args, rows):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}"
                         for name in ("torch", "torchvision", "timm", "transformers"))
    loads, repeats = [r["load"] for r in rows], 1 + max(r["repeat"] for r in rows)
    sgemm = [r["sgemm"] for r in rows if r["who"] == "fovea"]
    text = [f"""# Each family on a CPU, against PyTorch

`compare_zoo.py` wrote the tables of this section: one training step (forward, cross-entropy, backward,
clipping, AdamW) and one inference of each family at 224x224 and at a small image's size, fp32, {args.threads} threads,
in turns, in processes of their own. Counterparts are PyTorch's own implementations of the same network,
with as many parameters, run eagerly; convolutional networks in both memory layouts, of which the table shows the
faster.

| | |
|---|---|
| date | {datetime.date.today()} |
| machine | {cpu_name()}, {os.cpu_count()} cores, {platform.system()} {platform.release()} |
| load average | {min(loads):.1f} to {max(loads):.1f} while measuring |
| Fovea | {output_of([args.binary, "--version"]).strip()} |
| PyTorch | {versions}, Python {platform.python_version()} |
| command | `compare_zoo.py {" ".join(map(os.path.basename, sys.argv[1:]))}` |
| repetitions | {repeats} |
| sgemm | {spread(sgemm, 0)} GFLOP/s, Fovea's 2048^3 product |

Cells: median over the repetitions (smallest to largest); a repetition's figure is the median of its steps.
A ratio is formed within each repetition; speed above 1 and memory below 1 mean that Fovea is ahead.
"% of sgemm" is the arithmetic of convolutions and matrix products (for training three times that of inference) over time,
against the sgemm rate. Memory is the peak resident memory above what the process held before the model was
made.
"""]
    for kind, title in (("train", "Training"), ("infer", "Inference")):
        text.append(f"## {title}\n\n| model | image | batch | counterpart | Fovea, images/s | PyTorch, images/s | "
                    "speed ratio | % of sgemm, Fovea / PyTorch | memory, MiB, Fovea / PyTorch | memory ratio |\n"
                    "|---|---|---|---|---|---|---|---|---|---|")
        measured = {r["model"] for r in rows if r["kind"] == kind}
        names = [name for name in args.models if name in measured]
        text += [table_row(rows, name, kind) for name in names]
        text.append("\n" + slower_than_pytorch(rows, names, kind))
    path, marker, kept = os.path.join(args.out, "zoo_cpu.md"), "<!-- end of the generated part -->\n", ""
    if os.path.exists(path):  # what people wrote below the marker stays
        with open(path) as file:
            kept = file.read().partition(marker)[2]
    with open(path, "w") as file:
        file.write("\n".join(text) + "\n" + marker + kept)
    with open(os.path.join(args.out, "zoo_cpu.csv"), "w", newline="") as file:
        names = ["repeat", "model", "who", "kind", "batch", "images_per_s", "best", "peak_mib",
                 "parameters_m", "gmacs", "sgemm", "share", "load"]  # gmacs per image
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()}
                         for r in rows)


def main():
    if sys.argv[1:2] == ["--worker"]:
        name, who, threads, steps = sys.argv[2:]
        return measure_pytorch(name, who, int(threads), int(steps))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="path of benchmark_models")
    parser.add_argument("--models", nargs="+", default=list(PAIRS), choices=list(PAIRS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="steps that are measured; 0 = each model's own")
    parser.add_argument("--budget", type=float, default=3600, help="begin nothing after so many seconds")
    parser.add_argument("--out", default=HERE, help="folder of the report")
    args = parser.parse_args()
    report(args, measure_all(args))


if __name__ == "__main__":
    main()
