"""Two processes train what one process trains."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from w2s_hf.classifier import Classifier
from w2s_hf.config import ClassifierConfig, HFModelConfig
from w2s_hf.model import HFModel
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.stages.context import StageContext

info = TaskInfo("classification", ("no", "yes"))
words = ["good", "bad"]
rows = [Example(f"{i:03}", f"the film {i} was " + words[i % 2] * (1 + i % 3), info.classes, i % 2)
        for i in range(45)]
data = Dataset.from_examples(rows, info, "pool")
labels = LabelSet(tuple(data.ids), np.eye(2)[data.gold] * 0.8 + 0.1, info.classes)
out = Path(sys.argv[2])
out.mkdir(exist_ok=True)
models = {"m": HFModel(HFModelConfig(id=sys.argv[1], dtype="float32", device="cpu"))}
ctx = StageContext(seed=3, out=out, scratch=out, threads=1, models=models)
student = Classifier(ClassifierConfig(
    model="m", lr=2e-3, epochs=2, batch_size=16, micro_batch_size=5, loss="logconf"))
ref = student.train(data.blind(), labels, ctx)
np.save(out / "probs.npy", student.label(ref, data.blind(), ctx).probs)
"""


@pytest.mark.slow(seconds=13)
def test_two_processes_train_the_same_model_as_one(folders, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, *torchrun, str(script), str(folders["gpt2"]), str(tmp_path / "two")]
    subprocess.run(command, check=True, env=env, capture_output=True)
    # One process is this one: it has imported everything already.
    monkeypatch.setattr(sys, "argv", [str(script), str(folders["gpt2"]), str(tmp_path / "one")])
    runpy.run_path(str(script))
    probs = [np.load(tmp_path / name / "probs.npy") for name in ("one", "two")]
    assert probs[0].std() > 0.05
    assert np.abs(probs[0] - probs[1]).max() < 1e-3
