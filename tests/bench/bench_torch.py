#!/usr/bin/env python3
"""The training steps of bench_step.c in PyTorch: an anchor for the benchmark, never a dependency."""
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def convolutional(m):
    """Encoder, atom and linear convolution of the convolutional preset, cells of 8 pixels."""
    layers, channels = [], 1
    for out, kernel, stride in [(16, 5, 2), (32, 3, 2), (64, 3, 2), (64, 3, 1), (64, 1, 1)]:
        layers += [nn.Conv2d(channels, out, kernel, stride, kernel // 2), nn.LeakyReLU(0.2)]
        channels = out
    layers += [nn.Conv2d(channels, 3 * m, 1)]
    atom = nn.Sequential(nn.Linear(3, 32), nn.LeakyReLU(0.2), nn.Linear(32, 64), nn.LeakyReLU(0.2),
                         nn.Linear(64, 432), nn.Unflatten(1, (12, 6, 6)), nn.LeakyReLU(0.2),
                         nn.Upsample(scale_factor=2), nn.Conv2d(12, 12, 3, padding=1), nn.LeakyReLU(0.2),
                         nn.Upsample(scale_factor=2), nn.Conv2d(12, 8, 3, padding=1))
    model = nn.ModuleList([nn.Sequential(*layers), atom, nn.Conv2d(8, 1, 7, padding=3, bias=False)])
    window = torch.sin(torch.pi * (torch.arange(24) + 0.5) / 24)
    window = torch.outer(window, window)

    def forward(x):
        z = model[0](x)
        b, _, gy, gx = z.shape
        z = z.reshape(b, m, 3, gy, gx).permute(0, 3, 4, 1, 2).reshape(-1, 3)
        g = model[1](z) * window
        g = g.reshape(b, gy * gx, m, 8 * 24 * 24).sum(2).transpose(1, 2)
        placed = F.fold(g, (8 * gy + 16, 8 * gx + 16), 24, stride=8)
        return model[2](placed[:, :, 8:-8, 8:-8])

    return model, forward


def paper_spikes():
    encoder, channels = [], 1
    for out in (32, 16, 8, 8):
        encoder += [nn.Conv2d(channels, out, 3, 2, 1), nn.LeakyReLU(0.2)]
        channels = out
    encoder += [nn.Flatten(), nn.Linear(512, 512), nn.LeakyReLU(0.2), nn.Linear(512, 30), nn.LeakyReLU(0.2)]
    atom = [nn.Linear(3, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Unflatten(1, (8, 2, 2))]
    ch = [1, 32, 16, 8, 8, 8, 8]
    for stage in range(6, 0, -1):
        atom += [nn.Conv2d(ch[stage], ch[stage - 1], 3, padding=1), nn.Upsample(scale_factor=2), nn.LeakyReLU(0.2),
                 nn.Conv2d(ch[stage - 1], ch[stage - 1], 3, padding=1), nn.LeakyReLU(0.2)]
    model = nn.ModuleList([nn.Sequential(*encoder), nn.Sequential(*atom)])

    def forward(x):
        z = model[0](x).reshape(-1, 3)
        return model[1](z).reshape(len(x), 10, 1, 128, 128).sum(1)

    return model, forward


def bench(name, model, forward, images, gflop):
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step():
        optimizer.zero_grad()
        loss = F.mse_loss(forward(images), images)
        loss.backward()
        optimizer.step()

    step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < 3:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    seconds = statistics.median(times)
    print(json.dumps({"kernel": "training_step_torch", "problem": name, "ns": round(seconds * 1e9),
                      "gflops": round(gflop / seconds, 1)}), flush=True)


torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
torch.manual_seed(0)
bench("convolutional 64x64 batch 32", *convolutional(2), torch.rand(32, 1, 64, 64), 18.9)
bench("paper_spikes 128x128 batch 16", *paper_spikes(), torch.rand(16, 1, 128, 128), 45.5)
