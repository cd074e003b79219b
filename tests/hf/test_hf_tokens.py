"""Members that are to mix their next tokens: models of one tokenizer, or the recipe is refused."""

from __future__ import annotations

import json
import shutil

import pytest
from transformers import AutoTokenizer

from w2s_hf import vocabulary
from w2s_hf.config import HFModelConfig
from w2s_hf.tiny import make_tiny_model

COLORS = ("red", "blue", "green", "black")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """a and b are of one tokenizer, c is of another."""
    folder = tmp_path_factory.mktemp("models")
    words = [f"stone {number} is {COLORS[number % 4]}" for number in range(60)]
    small = {"hidden": 32, "layers": 1}
    make_tiny_model(folder / "a", words, **small)
    make_tiny_model(folder / "b", words, seed=1, family="gpt2", **small)
    make_tiny_model(folder / "c", ["what else there is to say of things", *words[:5]], **small)
    return folder


@pytest.fixture
def recipe(tmp_path, models):
    rows = [{"q": f"stone {number} is", "a": COLORS[number % 4]} for number in range(60)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "writing.yaml"
    path.write_text(f"""
schema: 1
name: tokens
models:
  small: {{use: hf, id: {models}/a}}
  same: {{use: hf, id: {models}/b}}
  other: {{use: hf, id: {models}/c}}
task:
  use: table
  path: {tmp_path}/rows.jsonl
  template: "{{q}}"
  answer: a
  splits: {{weak_train: 20, pool: 20, val: 5, test: 10}}
phases:
  - name: p
    pool: pool
    supervisors:
      - {{use: sft, model: small}}
      - {{use: sft, model: same}}
      - {{use: sft, model: other}}
    ensemble: {{use: writers, members: 3, choose_on: val}}
    student: null
    evaluate: [accuracy]
""")
    return path


MIXING = [
    "{use: writers, members: 3}",
    "{use: writers, members: 3, combine: product}",
    "{use: writers, members: 3, combine: learned, choose_on: val}",
    "{use: writers, members: 3, combine: gate, choose_on: val}",
    "{use: token_boosting}",
]


@pytest.mark.parametrize("ensemble", MIXING)
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_mixed_tokenizers_are_refused_with_the_recipe(command, ensemble, recipe, fails):
    said = fails(command, recipe, "--set", f"phases.p.ensemble={ensemble}")
    assert "phases.p.ensemble" in said
    assert "different tokens: small and same against other" in said
    assert "combine: rescore or vote" in said


@pytest.mark.parametrize(
    "change",
    [
        "phases.p.ensemble={use: writers, combine: vote}",
        "phases.p.ensemble={use: writers, combine: rescore}",
        "phases.p.supervisors=[{use: sft, model: small}, {use: sft, model: same}]",
        "phases.p.supervisors=[{use: sft, model: other}, {use: sft, model: other, epochs: 3}]",
    ],
)
def test_whole_answers_and_one_tokenizer_may_be_mixed(change, recipe, w2s):
    done = w2s("validate", recipe, "--set", change)
    assert done.returncode == 0, done.stderr


def test_whole_answers_are_not_asked_for_their_tokens(recipe, fails, w2s):
    vote = ["--set", "phases.p.ensemble={use: writers, combine: vote}"]
    said = fails("validate", recipe, *vote, "--set", "phases.p.evaluate=[accuracy, perplexity]")
    assert "'perplexity' asks what the supervisor gives single tokens" in said
    others = "phases.p.evaluate=[{use: perplexity, roles: [weak_floor]}]"
    done = w2s("validate", recipe, *vote, "--set", others)
    assert done.returncode == 0, done.stderr


def test_members_that_write_together_read_the_same(recipe, fails, w2s):
    two = "{use: sft, model: small}, {use: sft, model: small, template: 'Q {prompt} A'}"
    change = ["--set", f"phases.p.supervisors=[{two}]"]
    said = fails("validate", recipe, *change)
    assert "different ways: {prompt} against Q {prompt} A" in said
    assert "one template" in said and "combine: rescore or vote" in said
    vote = ["--set", "phases.p.ensemble={use: writers, combine: vote}"]
    assert w2s("validate", recipe, *change, *vote).returncode == 0


@pytest.mark.parametrize(
    "ensemble", ["{use: writers, members: 2, combine: vote}", "{use: bagging, members: 2}"]
)
def test_a_supervisor_that_has_no_turn_is_pointed_at(ensemble, recipe, fails):
    said = fails("validate", recipe, "--set", f"phases.p.ensemble={ensemble}")
    assert "| " in said and "{use: sft, model: other}" in said
    assert "3 supervisors take turns as members" in said and "never be trained" in said


def test_what_only_opening_tells_is_told_before_anything_runs(recipe, models, tmp_path, fails):
    """A special token without a number is given one when the tokenizer is opened."""
    shutil.copytree(models / "a", tmp_path / "more")
    settings = json.loads((tmp_path / "more" / "tokenizer_config.json").read_text())
    settings["pad_token"] = "<another>"
    (tmp_path / "more" / "tokenizer_config.json").write_text(json.dumps(settings))
    opened = AutoTokenizer.from_pretrained(tmp_path / "more").get_vocab()
    assert "<another>" in opened
    more = HFModelConfig(id=str(tmp_path / "more"))
    assert more.tokens() == "" != more.tokens(thorough=True)

    change = ["--set", f"models.other.id={tmp_path / 'more'}"]
    said = fails("run", recipe, *change)
    assert "different tokens: small and same against other" in said
    assert not (tmp_path / "runs").exists()


def test_identity_is_of_what_transformers_reads(models, folders):
    """From files alone, without transformers, as from the opened tokenizer."""
    for folder in (models / "a", models / "c", folders["gpt2"], folders["bert"]):
        found = vocabulary.identity(folder, thorough=False)
        opened = vocabulary._opened(folder, code=False)
        # Of one that names no token that ends a text, files alone do not tell which it will be.
        assert found == ("" if folder == folders["bert"] else opened)
    identities = [HFModelConfig(id=str(models / name)).tokens() for name in "abc"]
    assert identities[0] == identities[1] != identities[2]


def test_other_numbers_or_a_larger_network_are_other_tokens(models, tmp_path):
    before = vocabulary.identity(models / "a", thorough=False)
    for name, file, change in (
        ("turned", "tokenizer.json", _turn_two_tokens),
        ("larger", "config.json", lambda raw: raw.update(vocab_size=raw["vocab_size"] + 8)),
    ):
        shutil.copytree(models / "a", tmp_path / name)
        raw = json.loads((tmp_path / name / file).read_text())
        change(raw)
        (tmp_path / name / file).write_text(json.dumps(raw))
        assert before != vocabulary.identity(tmp_path / name, thorough=False) != ""


def _turn_two_tokens(raw):
    tokens = raw["model"]["vocab"]
    first, second = sorted(tokens)[-2:]
    tokens[first], tokens[second] = tokens[second], tokens[first]
