"""An experiment from Python: a short run of a preset, its metrics, and samples of what it trained."""

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import experiments
from experiments.__main__ import main

SETTINGS = ["training.updates=300", "training.batch=256", "training.evaluate_every=75"]

with tempfile.TemporaryDirectory() as folder:
    run = Path(folder, "run")
    # On the command line: python -m experiments run digits-direct --out run --set training.updates=300 ...
    main(["run", "digits-direct", "--out", str(run), "--device", "cpu", *(f"--set={one}" for one in SETTINGS)])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    samples = experiments.load(run).sample(40, seed=0)  # shape (40, 8, 8, 1)

evaluations = [line for line in lines if "energy" in line.get("metrics", {})]
framed = np.pad(samples[..., 0], [(0, 0), (1, 1), (1, 1)], constant_values=samples.max())
tiles = framed.reshape(5, 8, 10, 10).swapaxes(1, 2).reshape(50, 80)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
left.imshow(tiles, cmap="gray")
left.set(title="samples after 300 updates", xticks=[], yticks=[])
right.semilogy([line["step"] for line in evaluations], [line["metrics"]["energy"] for line in evaluations], "o-")
right.axhline(evaluations[-1]["metrics"]["energy_noise_floor"], color="0.5", linestyle="--", label="noise floor")
right.set(xlabel="update", ylabel="energy, samples and held-out digits")
right.legend()
plt.show()
