"""``w2s runs export``: what a run trained, without the toolkit around it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers

from w2s_hf.mixture import Mixture
from w2s_hf.tiny import make_tiny_model
from w2s_toolkit import load_run
from w2s_toolkit.data import Dataset

COLORS = ("bright", "dark", "lovely", "ugly")

RECIPE = """
schema: 1
name: written
models:
  weak: {use: hf, id: ./tiny}
task:
  use: table
  path: rows.jsonl
  template: "{question}"
  answer: answer
  splits: {weak_train: 40, pool: 20, val: 20, test: 20}
baselines: [weak_floor]
phases:
  - name: first
    pool: pool
    supervisors:
      - {use: sft, model: weak, train_on: weak_train, epochs: 8, lr: 1.0e-2, max_new_tokens: 4}
    ensemble: {use: writers, by: [data], members: 2, combine: product}
    student: {use: sft, model: weak, epochs: 1, lr: 1.0e-2, max_new_tokens: 4}
    evaluate: [accuracy]
"""


@pytest.fixture
def forks(torch_forks):
    return torch_forks


@pytest.fixture
def run(tmp_path, w2s):
    texts = [f"film {number} number {number % 8}" for number in range(200)]
    rows = [{"question": t, "answer": COLORS[n % 4]} for n, t in enumerate(texts)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_tiny_model(tmp_path / "tiny", [*texts, *COLORS], hidden=32, layers=1)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = w2s("run", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    return load_run("last")


def written(model, tokenizer, prompts):
    """Greedy answers, one prompt at a time, by nothing but transformers."""
    texts = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        made = model.generate(**ids, max_new_tokens=4, do_sample=False, pad_token_id=0)
        new = made[0, ids["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(new, skip_special_tokens=True).strip())
    return texts


@pytest.mark.slow(seconds=16)
def test_models_leave_the_run_and_say_the_same_outside(run, w2s, fails, tmp_path):
    for role, stage in (("supervisor", "build"), ("student", "train")):
        done = w2s("runs", "export", "last", f"first/{role}/{stage}", role)
        assert done.returncode == 0, done.stderr
        assert f"wrote {role}" in done.stdout
    prompts = {row.id: row.prompt for row in Dataset.read(run.stage("split/test") / "data.parquet")}
    tokenizer = transformers.AutoTokenizer.from_pretrained("supervisor/member-0")
    models = {
        "supervisor": Mixture.from_pretrained("supervisor"),
        "student": transformers.AutoModelForCausalLM.from_pretrained("student"),
    }
    for role, model in models.items():
        said = run.predictions(role, "test")
        assert len(set(said["predicted"])) > 1
        questions = [prompts[row] for row in said["id"]]
        assert written(model, tokenizer, questions) == list(said["predicted"])
    card = Path("supervisor/README.md").read_text()
    assert "product" in card and "supervised by gold answers" in card
    assert not any("save" in str(p) for p in Path(".w2s/store/tmp").rglob("*"))

    # Members on their own, and what cannot be exported.
    assert w2s("runs", "export", "last", "first/supervisor/member 1/fit", "one").returncode == 0
    assert Path("one/model.safetensors").is_file()
    said = fails("runs", "export", "last", "first/supervisor/build", "one", code=1)
    assert "there is something already" in said
    said = fails("runs", "export", "last", "split/test", "two")
    assert "trained no model" in said and "first/student/train" in said
    assert "has no stage 'first/student/trane'" in fails(
        "runs", "export", "last", "first/student/trane", "two"
    )
    assert not Path("two").exists()

    # Votes on whole answers are no model; their members are.
    vote = "phases.first.ensemble={use: writers, by: [data], members: 2, combine: vote}"
    assert w2s("run", "recipe.yaml", "--set", vote).returncode == 0
    said = fails("runs", "export", "last", "first/supervisor/build", "three", code=1)
    assert "combine: vote" in said and "one by one" in said
    assert not Path("three").exists()
