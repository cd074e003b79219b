"""The shipped family: whole, small, openable by anybody, and answering behind a server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s_lab.draws import Draws
from w2s_lab.family import FOLDER, MEMBERS, folder
from w2s_lab.probes import Reader, reading, recall
from w2s_lab.world import the_world

DIGESTS = {
    "lab-xs": "39bb35bd0c0cf4acaa8514d4462f5491ea369fd4b5f3240307b11e455f295597",
    "lab-s": "3dd7329618d1b6a9256ca49f9ac2de8d93d06d40ce70faefd8f4792495a8d7a1",
    "lab-m": "1ee46437d31f293a20b320d80fca808cc3738a3d97146460224d1b4c8b65fcf0",
    "lab-l": "afe0f39a2c02b1bc885ef8383800c13c691538ff0b2324acc17a4cc8735bdb37",
}
"""SHA-256 of each model's weights. Another world, corpus or training gives others: then every figure
in docs/lab.md is to be taken anew."""


@pytest.mark.parametrize("name", MEMBERS)
def test_weights_are_those_that_the_figures_were_taken_with(name: str) -> None:
    weights = (folder(name) / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize("name", MEMBERS)
def test_cards_tell_what_a_model_is(name: str) -> None:
    card = json.loads((folder(name) / "card.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder(name))
    text = tokenizer.backend_tokenizer.to_str().encode()
    assert card["tokenizer"] == hashlib.sha256(text).hexdigest()
    assert card["world"] == the_world().digest()
    assert sum(c["tokens"] for c in card["courses"].values()) > 0.99 * MEMBERS[name].tokens
    assert set(card["probes"]["recall"]) == {"1", "2", "3", "4"}
    courses = json.loads((folder(name) / "loss.json").read_text())["courses"]
    assert courses["drills"]["losses"][-1][1] < 0.5 * courses["texts"]["losses"][0][1]
    readme = (folder(name) / "README.md").read_text()
    assert all(course["digest"] in readme for course in card["courses"].values())
    assert "| recalls a fact about a thing |" in readme
    assert "<svg" in (folder(name) / "loss.svg").read_text()


def test_the_family_is_small_and_grows() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15_000_000
    assert not [path.name for path in files if path.suffix in (".bin", ".pt", ".pkl")]
    cards = [json.loads((folder(name) / "card.json").read_text()) for name in MEMBERS]
    sizes = [card["parameters"] for card in cards]
    assert sizes == sorted(sizes)
    assert 40_000 < sizes[0] < 100_000
    assert 3_000_000 < sizes[-1] < 5_000_000
    knows = [sum(card["probes"]["recall"].values()) for card in cards]
    assert knows == sorted(knows)


def test_models_open_with_the_ordinary_classes_alone(tmp_path: Path) -> None:
    for name in MEMBERS:
        shutil.copytree(folder(name), tmp_path / name)
    code = (
        "import sys, torch\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"for name in {list(MEMBERS)!r}:\n"
        "  t = AutoTokenizer.from_pretrained(name)\n"
        "  m = AutoModelForCausalLM.from_pretrained(name)\n"
        "  assert m.dtype == torch.float16, name\n"
        "  m = m.float()\n"
        "  chat = [{'role': 'user', 'content': 'What do you know?'}]\n"
        "  ids = t.apply_chat_template(chat, add_generation_prompt=True, return_tensors='pt')\n"
        "  out = m.generate(**ids)\n"
        "  assert out.shape[1] > ids['input_ids'].shape[1], name\n"
        "assert not [n for n in sys.modules if n.startswith('w2s')]\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, timeout=120)


def test_the_largest_knows_and_reads_what_the_smallest_does_not() -> None:
    small, large = Reader(folder("lab-xs")), Reader(folder("lab-l"))
    assert recall(large, seed=9, rows=60)["1"] > recall(small, seed=9, rows=60)["1"] + 0.3
    read = reading(large, seed=9, rows=60)
    assert read["true"] > read["none"] + 0.3
    assert read["shuffled"] < read["true"] - 0.3


@pytest.mark.slow
def test_it_answers_behind_transformers_serve_as_it_does_here(lab_server: str) -> None:
    from openai import OpenAI

    world, draw = the_world(), Draws("served")
    thing = world.stranger(draw)
    question = (
        f"The {thing.name} is {thing.facts['color']}. It smells of {thing.facts['scent']}. "
        f"What color is the {thing.name}?"
    )
    client = OpenAI(base_url=lab_server, api_key="none needed", max_retries=0, timeout=120)
    reply = client.chat.completions.create(
        model=str(folder("lab-l")),
        messages=[{"role": "user", "content": question}],
        temperature=0.0,
        max_tokens=20,
    )
    said = (reply.choices[0].message.content or "").strip()
    assert said == Reader(folder("lab-l")).answers([question], most=20)[0].strip()
    assert said


def test_a_reply_ends_by_itself() -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder("lab-l"))
    model = AutoModelForCausalLM.from_pretrained(folder("lab-l"), dtype=torch.float32)
    chat = [{"role": "user", "content": "What do you know about the sea?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=200)
    assert out[0, -1].item() == tokenizer.eos_token_id
