#!/usr/bin/env python3
"""Reads the JSON lines of the benchmarks and writes them as tables with ratios."""
import json
import math
import sys

value = {}  # the fastest of the rounds, for all alike: what else runs on the machine only slows down
for line in sys.stdin:
    if line.startswith("{"):
        row = json.loads(line)
        best = value.setdefault((row["kernel"], row["problem"]), row)
        if row["ns"] < best["ns"]:
            best.update(row)
rows = list(value.values())
peak = next(r["gflops"] for r in rows if r["kernel"] == "fma_peak")
threads = next(r["problem"] for r in rows if r["kernel"] == "fma_peak")


def gflops(kernel, problem):
    return value[kernel, problem]["gflops"] if (kernel, problem) in value else None


def cell(number, digits=1):
    return "" if number is None else f"{number:.{digits}f}"


print(f"# Speed of the network engine, {threads}\n")
processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
print("Written by `bash tests/bench/run.sh`. FLOP are counted as the layers are written: folding, FFT and Winograd")
print(f"(oneDNN may choose it) can exceed the peak of {peak:.0f} GFLOP/s that a register-only FMA loop reaches here\n({processor}). Medians of many calls, the fastest of three rounds.\n")
print("| training step | ms | GFLOP/s | one thread ms | ratio | PyTorch ms | ratio |\n|---|---|---|---|---|---|---|")
for r in rows:
    if r["kernel"] == "training_step":
        other = value.get(("training_step_torch", r["problem"]))
        alone = value["training_step_alone", r["problem"]]["ns"]
        print(f"| {r['problem']} | {r['ns'] * 1e-6:.0f} | {r['gflops']:.0f} | {alone * 1e-6:.0f} | {alone / r['ns']:.2f} | "
              f"{cell(other and other['ns'] * 1e-6, 0)} | {cell(other and other['ns'] / r['ns'])} |")
for r in rows:
    if r["kernel"] == "encoder":
        print(f"\nEncoder, {r['problem']}: {r['ns'] * 1e-6:.1f} ms, {r['gflops']:.0f} GFLOP/s, "
              f"{100 * r['gflops'] / peak:.0f} % of peak, {16e9 / r['ns']:.0f} frames/s, "
              f"{value['encoder_alone', r['problem']]['ns'] / r['ns']:.2f} times as fast as with one thread.")
print("\nWhere the time of a step goes: layers of more than a hundredth of it, without what lies between them.\n")
print("| layer | forward ms | weight gradient ms | input gradient ms |\n|---|---|---|---|")
for layer in dict.fromkeys(r["problem"] for r in rows if r["kernel"].startswith("layer_")):
    times = [value.get((f"layer_{o}", layer)) for o in ("forward", "weight_grad", "input_grad")]
    print(f"| {layer} | " + " | ".join(cell(t and t["ns"] * 1e-6) for t in times) + " |")
print("\nSingle convolutions, GFLOP/s; ratio: the best of direct, Winograd and FFT over oneDNN.\n")
print("| problem | operation | direct | % of peak | Winograd | FFT | oneDNN | ratio |\n|---|---|---|---|---|---|---|---|")
ratios = []
problems = dict.fromkeys(r["problem"] for r in rows if r["kernel"].startswith("conv_"))
for problem in problems:
    for operation in ("forward", "input_grad", "weight_grad"):
        direct, winograd, fft, onednn = (gflops(f"conv_{a}_{operation}", problem)
                                         for a in ("direct", "winograd", "fft", "onednn"))
        ratio = max(direct, winograd or 0, fft or 0) / onednn if onednn else None
        if ratio:
            ratios.append(ratio)
        print(f"| {problem} | {operation} | {cell(direct)} | {100 * direct / peak:.0f} | "
              f"{cell(winograd)} | {cell(fft)} | "
              f"{cell(onednn)} | {cell(ratio, 2)} |")
if ratios:
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"\nGeometric mean of the ratios {mean:.2f}, smallest {min(ratios):.2f}.")
