#!/usr/bin/env python3
"""Trains a decoder on random tokens, so that its steps can be measured, and writes its row.

  train.py 124M --batch 8 --seq 1024 --seconds 40      trains; one line per step, as nanoGPT has it
  train.py 124M --batch 8 --seq 1024 --row m.jsonl     the run as a row of a run table, with what
                                                       `planner measure` found in m.jsonl
  train.py --header                                    the columns of such rows
"""

import argparse
import csv
import json
import sys
import time

# Layers, width, heads; experts and how many of them a token meets. GPT-2's sizes (Radford et al.
# 2019, Table 2), and a small mixture of experts.
MODELS = {
    "124M": dict(layers=12, hidden=768, heads=12),
    "355M": dict(layers=24, hidden=1024, heads=16),
    "774M": dict(layers=36, hidden=1280, heads=20),
    "1.5B": dict(layers=48, hidden=1600, heads=25),
    "moe-8x124M": dict(layers=12, hidden=768, heads=12, experts=8, experts_per_token=2),
}
VOCAB = 50304

COLUMNS = [
    "id", "name", "type", "layers", "hidden", "heads", "kv_heads", "ffn_hidden", "gated_ffn",
    "vocab", "tie_embeddings", "experts", "experts_per_token", "expert_ffn_hidden", "seq_len",
    "global_batch_seqs", "micro_batch_seqs", "dtype", "recompute", "tp", "pp", "dp", "framework",
    "framework_family", "software_year", "device", "devices", "reported_iteration_s",
    "reported_tokens_per_s_per_device", "reported_device_power_w", "source_title", "source_locator",
    "quality", "checked", "notes",
]


def build(torch, m, seq):
    from torch import nn
    from torch.nn import functional as F

    h, heads = m["hidden"], m["heads"]
    experts, chosen = m.get("experts", 0), m.get("experts_per_token", 0)

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.Linear(h, 4 * h, bias=False)
            self.down = nn.Linear(4 * h, h, bias=False)

        def forward(self, x):
            return self.down(F.gelu(self.up(x), approximate="tanh"))

    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.router = nn.Linear(h, experts, bias=False)
            self.each = nn.ModuleList(Mlp() for _ in range(experts))

        def forward(self, x):
            flat = x.reshape(-1, h)
            weights, places = self.router(flat).float().softmax(-1).topk(chosen, -1)
            out = torch.zeros_like(flat)
            for e, expert in enumerate(self.each):
                token, slot = (places == e).nonzero(as_tuple=True)
                part = expert(flat[token]) * weights[token, slot, None].to(flat.dtype)
                out = out.index_add(0, token, part.to(out.dtype))
            return out.reshape_as(x)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(h, bias=False), nn.LayerNorm(h, bias=False)
            self.qkv = nn.Linear(h, 3 * h, bias=False)
            self.out = nn.Linear(h, h, bias=False)
            self.mlp = Experts() if experts else Mlp()

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(h, 2)
            q, k, v = (y.view(b, t, heads, h // heads).transpose(1, 2) for y in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, h))
            return x + self.mlp(self.norm2(x))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(VOCAB, h)
            self.place = nn.Embedding(seq, h)
            self.blocks = nn.ModuleList(Block() for _ in range(m["layers"]))
            self.norm = nn.LayerNorm(h, bias=False)
            self.head = nn.Linear(h, VOCAB, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens, targets):
            x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))
            for block in self.blocks:
                x = block(x)
            logits = self.head(self.norm(x))
            return F.cross_entropy(logits.view(-1, VOCAB), targets.view(-1))

    return Decoder()


def train(args):
    import torch

    m = MODELS[args.model]
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    model = build(torch, m, args.seq).cuda()
    # Experts of uneven sizes are other shapes in every step: nothing to compile.
    if not m.get("experts"):
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    data = torch.randint(0, VOCAB, (64, args.batch, args.seq + 1), device="cuda")
    start = time.monotonic()
    step = 0
    while time.monotonic() - start < args.seconds:
        begin = time.monotonic()
        batch = data[step % len(data)]
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(batch[:, :-1], batch[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()  # waits for the device
        step += 1
        print(f"iter {step}: loss {value:.4f}, time {1e3 * (time.monotonic() - begin):.2f}ms",
              flush=True)


def row(args):
    m = MODELS[args.model]
    last = None
    with open(args.row, encoding="utf-8") as lines:
        for line in lines:
            try:
                last = json.loads(line)
            except ValueError:
                pass  # a line that a kill cut off
    if last is None or "step_s" not in last:
        sys.exit(f"train.py: {args.row}: no steps were measured")
    gpus = [s for s in last["sources"] if s["kind"] == "gpu"]
    if len(gpus) != 1:
        sys.exit(f"train.py: {args.row}: {len(gpus)} GPUs were measured, one is wanted")
    gpu = gpus[0]
    # Of steady steps: loading and compiling is another load.
    power = gpu.get("power_w")
    if last.get("step_j") and last.get("energy_j") and gpu.get("energy_j"):
        power = last["step_j"] / last["step_s"] * gpu["energy_j"] / last["energy_j"]
    tokens = args.batch * args.seq
    experts = m.get("experts", 0)
    notes = [f"{last['started']}", f"driver {last.get('driver', 'unknown')}", f"GPU {gpu['name']}",
             f"{last.get('steps', 0):.0f} steps", f"power by {gpu['method']}"]
    if "limit_w" in gpu:
        notes.append(f"limit {gpu['limit_w']:.0f} W")
    if "clock_mhz" in gpu:
        notes.append(f"SM {gpu['clock_mhz']:.0f} MHz")
    if gpu.get("throttled"):
        notes.append("held back by " + gpu["throttled"])
    if gpu.get("contended"):
        notes.append("others were at work on it")
    cells = {
        "id": f"{args.device}-{args.model}-b{args.batch}-s{args.seq}",
        "name": f"GPT-2 {args.model}",
        "type": "moe" if experts else "dense",
        "layers": m["layers"], "hidden": m["hidden"], "heads": m["heads"], "kv_heads": m["heads"],
        "ffn_hidden": 4 * m["hidden"], "gated_ffn": "false", "vocab": VOCAB,
        "tie_embeddings": "true",
        "experts": experts or "", "experts_per_token": m.get("experts_per_token", ""),
        "expert_ffn_hidden": 4 * m["hidden"] if experts else "",
        "seq_len": args.seq, "global_batch_seqs": args.batch, "micro_batch_seqs": args.batch,
        "dtype": "bf16", "recompute": "none", "tp": 1, "pp": 1, "dp": 1,
        "framework": "PyTorch" + ("" if experts else ", compiled"),
        "framework_family": "fsdp_torch", "software_year": args.year,
        "device": args.device, "devices": 1,
        "reported_iteration_s": f"{last['step_s']:.6g}",
        "reported_tokens_per_s_per_device": f"{tokens / last['step_s']:.6g}",
        "reported_device_power_w": f"{power:.5g}" if power else "",
        "source_title": "planner measure",
        "source_locator": "validation/measured/run.sh",
        "quality": "ok" if gpu.get("contended") else "core", "checked": "read",
        "notes": "; ".join(notes),
    }
    csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n").writerow(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", choices=MODELS)
    parser.add_argument("--batch", type=int, default=8, help="sequences of a step")
    parser.add_argument("--seq", type=int, default=1024, help="tokens of a sequence")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--row", help="file of planner measure: write the row")
    parser.add_argument("--device", default="h200-sxm", help="in the words of the run table")
    parser.add_argument("--year", default="2026", help="of the software")
    parser.add_argument("--header", action="store_true")
    args = parser.parse_args()
    if args.header:
        csv.writer(sys.stdout, lineterminator="\n").writerow(COLUMNS)
    elif args.model is None:
        parser.error("which model?")
    elif args.row:
        row(args)
    else:
        train(args)


if __name__ == "__main__":
    main()
