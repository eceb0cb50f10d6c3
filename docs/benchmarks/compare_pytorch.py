#!/usr/bin/env python3
"""cvt_28 in plain PyTorch against benchmark_models: speed and memory of the same model on one CPU.

Needs Python 3.9+ and PyTorch 2.4+ (pip install torch --index-url https://download.pytorch.org/whl/cpu).
Neither the build nor any test uses this file.

    python docs/benchmarks/compare_pytorch.py build/release/bin/benchmark_models

First both implementations get the same weights and images and must agree: logits, and the losses of
five training steps. Then they are measured in turns, each measurement in a process of its own, so that
a disturbance of the machine hits all of them alike. Writes cvt_28_cpu.md and cvt_28_cpu.csv.
"""
import argparse
import csv
import datetime
import json
import os
import platform
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LR, WEIGHT_DECAY, CLIP = 1e-4, 0.05, 1.0  # as in apps/common/benchmark.cpp


# ---- the model, as a PyTorch user would write it -------------------------------------------------

def build_model(torch):
    nn, F = torch.nn, torch.nn.functional

    class ConvProjection(nn.Module):
        """Depthwise convolution and BatchNorm; map [B,C,H,W] -> tokens [B,T,C]."""

        def __init__(self, width, stride):
            super().__init__()
            self.conv = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
            self.bn = nn.BatchNorm2d(width)

        def forward(self, x):
            return self.bn(self.conv(x)).flatten(2).transpose(1, 2)

    class Attention(nn.Module):
        def __init__(self, width, heads, class_token):
            super().__init__()
            self.heads, self.class_token, self.scale = heads, class_token, width ** -0.5
            self.conv_proj_q = ConvProjection(width, 1)
            self.conv_proj_k = ConvProjection(width, 2)
            self.conv_proj_v = ConvProjection(width, 2)
            self.proj_q = nn.Linear(width, width)
            self.proj_k = nn.Linear(width, width)
            self.proj_v = nn.Linear(width, width)
            self.proj = nn.Linear(width, width)

        def forward(self, x, height, width):
            batch, _, channels = x.shape
            token, patches = x.split([1, height * width], 1) if self.class_token else (None, x)
            grid = patches.transpose(1, 2).reshape(batch, channels, height, width)

            def heads_of(convolution, linear):
                y = convolution(grid)
                y = linear(y if token is None else torch.cat([token, y], 1))
                return y.view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)

            mixed = F.scaled_dot_product_attention(
                heads_of(self.conv_proj_q, self.proj_q), heads_of(self.conv_proj_k, self.proj_k),
                heads_of(self.conv_proj_v, self.proj_v), scale=self.scale)
            return self.proj(mixed.transpose(1, 2).reshape(batch, -1, channels))

    class Mlp(nn.Module):
        def __init__(self, width, hidden):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

        def forward(self, x):
            x = self.fc1(x)
            return self.fc2(x * torch.sigmoid(1.702 * x))  # QuickGELU

    class Block(nn.Module):
        def __init__(self, width, heads, class_token):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attn = Attention(width, heads, class_token)
            self.mlp = Mlp(width, 2 * width)

        def forward(self, x, height, width):
            x = x + self.attn(self.norm1(x), height, width)
            return x + self.mlp(self.norm2(x))

    class PatchEmbed(nn.Module):
        def __init__(self, channels, width, kernel):
            super().__init__()
            self.proj = nn.Conv2d(channels, width, kernel, 2, kernel // 2)
            self.norm = nn.LayerNorm(width)

        def forward(self, x):
            x = self.proj(x)
            return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2], x.shape[3]

    class Stage(nn.Module):
        def __init__(self, channels, width, kernel, depth, heads, class_token):
            super().__init__()
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
            self.patch_embed = PatchEmbed(channels, width, kernel)
            self.blocks = nn.ModuleList(Block(width, heads, class_token) for _ in range(depth))

        def forward(self, x):
            x, height, width = self.patch_embed(x)
            if self.cls_token is not None:
                x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
            for block in self.blocks:
                x = block(x, height, width)
            if self.cls_token is not None:
                return x[:, 0]
            return x.transpose(1, 2).reshape(x.shape[0], -1, height, width)

    class Cvt28(nn.Module):
        def __init__(self):
            super().__init__()
            self.stage0 = Stage(1, 32, 5, 0, 1, False)
            self.stage1 = Stage(32, 64, 3, 2, 2, False)
            self.stage2 = Stage(64, 96, 3, 1, 3, True)
            self.norm = nn.LayerNorm(96)
            self.head = nn.Linear(96, 10)

        def forward(self, x):
            return self.head(self.norm(self.stage2(self.stage1(self.stage0(x)))))

    return Cvt28()


def new_optimizer(torch, model):
    """AdamW; weight decay for matrices and convolutions only (timm's rule)."""
    decay = [p for n, p in model.named_parameters() if p.ndim > 1 and "cls_token" not in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim > 1 and "cls_token" not in n)]
    groups = [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LR, fused=True)


def train_step(torch, model, forward, optimizer, images, labels):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(forward(images), labels)
    value = loss.item()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return value


# ---- the two are the same model ------------------------------------------------------------------

def read_safetensors(torch, path):
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    dtypes = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data[begin:end], dtype=dtypes[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def check_agreement(torch, binary):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cvt_28.safetensors")
        subprocess.run([binary, "cvt_28", "--batch", "16", "--dump", path], check=True)
        dump = read_safetensors(torch, path)
    images = dump.pop("images").permute(0, 3, 1, 2).contiguous()
    logits, losses = dump.pop("logits"), dump.pop("losses")
    model = build_model(torch)
    model.load_state_dict(dump)  # strict: every name and shape must fit
    with torch.no_grad():
        logit_error = (model.eval()(images) - logits).abs().max().item()
    model.train()
    optimizer, labels = new_optimizer(torch, model), torch.arange(16) % 10
    own = [train_step(torch, model, model, optimizer, images, labels) for _ in losses]
    loss_error = max(abs(a - b) for a, b in zip(own, losses.tolist()))
    if not (logit_error < 1e-4 and loss_error < 1e-4):
        sys.exit(f"not the same model: logits differ by {logit_error}, losses by {loss_error}")
    return logit_error, loss_error


# ---- measuring -----------------------------------------------------------------------------------

def resident_kib(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))


def measure_pytorch(args):
    """Runs in a process of its own; prints one line of JSON."""
    import torch
    torch.set_num_threads(args.threads)
    before = resident_kib("VmRSS:")  # after the import
    torch.manual_seed(42)
    model = build_model(torch)
    images, labels = torch.randn(args.batch, 1, 28, 28), torch.arange(args.batch) % 10
    forward = torch.compile(model) if args.worker.startswith("compile") else model
    if args.worker.endswith("train"):
        optimizer = new_optimizer(torch, model)

        def step():
            train_step(torch, model, forward, optimizer, images, labels)
    else:
        model.eval()

        def step():
            with torch.inference_mode():
                forward(images)
    for _ in range(args.warmup):
        step()
    seconds, faults = [], []
    for _ in range(args.iters):
        fault, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - fault)
    print(json.dumps({"images_per_s": args.batch / statistics.median(seconds),
                      "best": args.batch / min(seconds),
                      "peak_mib": (resident_kib("VmHWM:") - before) / 1024,
                      "faults": statistics.median(faults)}))


def measure(args, who, kind):
    common = ["--batch", str(args.batch), "--iters", str(args.iters), "--warmup", str(args.warmup),
              "--threads", str(args.threads)]
    if who == "fovea":
        command = [args.binary, "cvt_28", "--json"] + common + (["--train"] if kind == "train" else [])
    else:
        command = [sys.executable, __file__, args.binary, "--worker", f"{who}-{kind}"] + common
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                         preexec_fn=raise_priority if args.priority else None)
    if who != "fovea":
        return json.loads(out.stdout.splitlines()[-1])
    row = json.loads(out.stdout)[0]
    return {"images_per_s": row[kind + "_samples_per_sec"], "best": row["samples_per_sec_max"],
            "peak_mib": row["peak_mib"], "faults": row["page_faults_per_step"],
            "first_step_s": row["first_step_s"], "sgemm": row["sgemm_gflops"],
            "share": row["share_of_sgemm"]}


def raise_priority():
    os.setsid()  # a scheduling group of its own
    with open("/proc/self/autogroup", "w") as file:
        file.write("-15")


def load_average():
    return os.getloadavg()[0]


# ---- report --------------------------------------------------------------------------------------

def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))


def report(args, torch, rows, errors):
    def of(who, kind, key):
        return [r[key] for r in rows if r["who"] == who and r["kind"] == kind]

    version = subprocess.run([args.binary, "--version"], stdout=subprocess.PIPE, text=True).stdout
    text = [f"""# cvt_28 on a CPU, against PyTorch

`compare_pytorch.py` wrote the tables of this section: the same model (same weights give the same logits to
{errors[0]:.0e} and the same five training losses to {errors[1]:.0e}), batch {args.batch}, 28x28x1, fp32,
{args.threads} threads, one process a measurement, in turns.

| | |
|---|---|
| date | {datetime.date.today()} |
| machine | {cpu_name()}, {os.cpu_count()} cores, {platform.system()} {platform.release()} |
| load average | {min(r["load"] for r in rows):.1f} to {max(r["load"] for r in rows):.1f} while measuring{", measurements first (--priority)" if args.priority else ""} |
| Fovea | {version.strip()} |
| PyTorch | {torch.__version__}, Python {platform.python_version()} |
| command | `compare_pytorch.py {" ".join(map(os.path.basename, sys.argv[1:]))}` |
| repetitions | {args.repeats}; each {args.iters} steps after {args.warmup} |

Cells: median over the repetitions (smallest to largest); a repetition's figure is the median of its steps.
A ratio is formed within each repetition; above 1 (memory: below 1) Fovea is ahead.
"""]
    for kind, name in (("train", "Training"), ("infer", "Inference")):
        text.append(f"## {name}\n\n| | images/s | best step, images/s | memory above start, MiB | "
                    "page faults a step | speed ratio | memory ratio |\n|---|---|---|---|---|---|---|")
        for who in args.who:
            label = {"fovea": "Fovea", "eager": "PyTorch eager", "compile": "torch.compile"}[who]
            cells = [label, spread(of(who, kind, "images_per_s"), 0), spread(of(who, kind, "best"), 0),
                     spread(of(who, kind, "peak_mib"), 0), spread(of(who, kind, "faults"), 0)]
            if who == "fovea":
                cells += ["1", "1"]
            else:
                for key, digits in (("images_per_s", 2), ("peak_mib", 2)):
                    ratios = [a / b for a, b in zip(of("fovea", kind, key), of(who, kind, key))]
                    cells.append(spread(ratios, digits))
            text.append("| " + " | ".join(cells) + " |")
        text.append(f"\nFovea reaches {100 * statistics.median(of('fovea', kind, 'share')):.0f} % of the "
                    f"machine's sgemm rate ({statistics.median(of('fovea', kind, 'sgemm')):.0f} GFLOP/s); "
                    f"its first step ends {statistics.median(of('fovea', kind, 'first_step_s')):.2f} s "
                    "after the process started.\n")
    text.append("Memory is the peak resident memory above what the process held before the model was made:\n"
                "for Fovea at the start of `main`, for PyTorch after `import torch`.\n")
    table = "\n".join(text)
    print(table)
    path = os.path.join(args.out, "cvt_28_cpu.md")
    # What people wrote below the marker (profiles, history) stays.
    marker, kept = "<!-- end of the generated part -->\n", ""
    if os.path.exists(path):
        with open(path) as file:
            kept = file.read().partition(marker)[2]
    with open(path, "w") as file:
        file.write(table + "\n" + marker + kept)
    with open(os.path.join(args.out, "cvt_28_cpu.csv"), "w", newline="") as file:
        names = ["repeat", "who", "kind", "images_per_s", "best", "peak_mib", "faults", "first_step_s",
                 "sgemm", "share", "load"]
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()}
                         for r in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="path of benchmark_models")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iters", type=int, default=40)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--who", nargs="+", default=["fovea", "eager", "compile"],
                        choices=["fovea", "eager", "compile"])
    parser.add_argument("--priority", action="store_true",
                        help="let measurements go before the machine's other work (Linux, root)")
    parser.add_argument("--out", default=HERE, help="folder of the report")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return measure_pytorch(args)
    import torch
    torch.set_num_threads(args.threads)
    errors = check_agreement(torch, args.binary)
    print(f"same model: logits agree to {errors[0]:.1e}, losses to {errors[1]:.1e}", flush=True)
    rows = []
    for repeat in range(args.repeats):
        for kind in ("train", "infer"):
            for who in args.who:
                row = {"repeat": repeat, "who": who, "kind": kind, "load": load_average()}
                row.update(measure(args, who, kind))
                rows.append(row)
                print(f"{repeat} {kind} {who:8} {row['images_per_s']:9.1f} images/s", flush=True)
    report(args, torch, rows, errors)


if __name__ == "__main__":
    main()
