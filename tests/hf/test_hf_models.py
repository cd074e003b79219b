"""Configs, fingerprints and loading of models."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from w2s_hf import hardware, hub
from w2s_hf.config import ClassifierConfig, FinetunedConfig, HFModelConfig
from w2s_hf.loading import load_body
from w2s_hf.model import HFModel
from w2s_hf.tokens import lost_characters
from w2s_toolkit.errors import ModelError


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def body(folder, name="model"):
    return load_body(Path(folder), name, dtype=torch.float32, attention=None, code=False)


@pytest.fixture
def copy(folders, tmp_path):
    def make(family="gpt2", name="copy"):
        return Path(shutil.copytree(folders[family], tmp_path / name))

    return make


def test_planning_imports_neither_torch_nor_transformers():
    code = (
        "import sys, w2s_hf.plugin; assert 'pydantic' not in sys.modules;"
        "import w2s_hf.config as c; m = c.HFModelConfig(id='a/b'); m.check(); m.resolved();"
        "m.capabilities();"
        "assert not {'torch', 'transformers', 'accelerate', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_fingerprint_is_neutral_to_place_and_reads_only_what_is_loaded(copy):
    one, two = copy(name="one"), copy(name="two")
    before = HFModelConfig(id=str(one)).fingerprint(digest)
    (two / "README.md").write_text("other words")
    (two / ".cache.json").write_text("{}")
    (two / "modeling.py").write_text("pass")
    assert HFModelConfig(id=str(two)).fingerprint(digest) == before
    assert HFModelConfig(id=str(two), trust_remote_code=True).fingerprint(digest) != before
    (two / "tokenizer_config.json").write_text("{}")
    assert HFModelConfig(id=str(two)).fingerprint(digest) != before


def test_id_revision_and_device_stay_out_of_the_key(copy):
    one = HFModelConfig(id=str(copy(name="one")), device="cpu")
    two = HFModelConfig(id=str(copy(name="two")), revision="v1", dtype="float32")
    assert one.key_parts(digest) == two.key_parts(digest)
    assert HFModelConfig(id="a", max_length=99).key_parts(digest) != one.key_parts(digest)


def test_check_reports_folders_that_cannot_work(copy, tmp_path):
    assert "no folder" in HFModelConfig(id="./nowhere/model").check()[0]
    assert HFModelConfig(id="Qwen/Qwen2.5-0.5B").check() == []
    (tmp_path / "empty").mkdir()
    assert "config.json" in HFModelConfig(id=str(tmp_path / "empty")).check()[0]
    folder = copy()
    assert HFModelConfig(id=str(folder)).check() == []
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    problem = HFModelConfig(id=str(folder)).check()[0]
    assert "pytorch_model.bin" in problem
    assert "save_pretrained" in problem
    with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
        HFModelConfig(id=str(folder)).fingerprint(digest)


def test_a_hub_model_that_is_not_here_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"(?s)nobody/nothing.*--set models.NAME.id=PATH"):
        HFModelConfig(id="nobody/nothing").fingerprint(digest)
    sha = "0123456789" * 4
    assert HFModelConfig(id="a/b", revision=sha).fingerprint(digest) == sha


def test_a_cached_hub_model_is_found_offline(monkeypatch, tmp_path, folders):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    sha = "ab" * 20
    base = tmp_path / "models--some--gpt"
    shutil.copytree(folders["gpt2"], base / "snapshots" / sha)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text(sha)
    config = HFModelConfig(id="some/gpt")
    assert config.fingerprint(digest) == sha
    assert config.capabilities() == {"generate", "choice_probs", "train"}
    assert config.tokens() == HFModelConfig(id=str(folders["gpt2"])).tokens() != ""


def test_capabilities_follow_the_architecture(folders):
    capabilities = {n: HFModelConfig(id=str(p)).capabilities() for n, p in folders.items()}
    assert capabilities["gpt2"] == capabilities["llama"] == {"generate", "choice_probs", "train"}
    assert capabilities["bert"] == capabilities["bert_pooler"] == {"train"}
    assert capabilities["t5"] == set()
    assert HFModelConfig(id="un/known").capabilities() == capabilities["gpt2"]


def test_auto_is_bfloat16_only_where_the_hardware_has_it(monkeypatch):
    monkeypatch.setattr(hardware, "_cuda_capability", lambda index: None)
    for flag, expected in ((False, "float32"), (True, "bfloat16")):
        monkeypatch.setattr(hardware, "cpu_has_bf16", lambda flag=flag: flag)
        assert hardware.resolve_dtype("auto", "auto") == expected
    assert hardware.resolve_dtype("auto", "mps") == "float32"
    monkeypatch.setattr(hardware, "_cuda_capability", lambda index: 7)
    assert hardware.resolve_dtype("auto", "cuda") == "float32"
    monkeypatch.setattr(hardware, "_cuda_capability", lambda index: 9)
    assert hardware.resolve_dtype("auto", "cuda:1") == "bfloat16"
    assert hardware.resolve_dtype("float16", "cpu") == "float16"


def test_configs_say_no_to_unknown_keys_and_take_a_loss_by_name():
    assert ClassifierConfig(model="m", loss="logconf").loss.alpha_max == 0.5
    for wrong in ({"loss": "logcnof"}, {"loss": {"use": "xent", "alpha_max": 1}}, {"lrr": 1}):
        with pytest.raises(ValidationError):
            ClassifierConfig(model="m", **wrong)
    uses = FinetunedConfig(model="m").uses("split")
    assert [(u.location, u.value) for u in uses] == [
        (("train_on",), "weak_train"),
        (("choose_on",), "val"),
    ]


def test_tied_embeddings_stored_as_the_output_layer_are_loaded(copy):
    folder = copy("gpt2")
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith("wte.weight"))
    weights["lm_head.weight"] = weights.pop(name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(body(folder).wte.weight, weights["lm_head.weight"])


def test_tiny_stories_has_the_language_models_embeddings(tiny_stories):
    reference = transformers.AutoModelForCausalLM.from_pretrained(tiny_stories)
    loaded = body(tiny_stories)
    assert torch.equal(loaded.embed_tokens.weight, reference.get_input_embeddings().weight)
    assert loaded.embed_tokens.weight.std() > 0.021  # random ones would have the config's 0.02


def test_weights_that_would_be_random_are_an_error_that_names_them(copy):
    folder = copy("llama")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\.weight"):
        body(folder)


def test_weights_of_another_shape_are_an_error(copy):
    folder = copy("llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    with pytest.raises(ModelError):
        body(folder)


def test_broken_files_are_errors_with_place_and_next_step(copy, make_ctx):
    folder = copy("gpt2")
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(ModelError, match=r"(?s)copy: model .*next:"):
        body(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    ctx = make_ctx(broken=folder)
    with pytest.raises(ModelError, match=r"tokenizer(?s:.*)next:"):
        ctx.model("broken").tokenizer(ctx)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="config"):
        body(folder)


def test_a_device_that_is_not_there_is_an_error(folders):
    with pytest.raises(ModelError, match="device: auto"):
        _ = HFModel(HFModelConfig(id=str(folders["gpt2"]), device="xyz:3")).device


def test_dropout_is_off(folders):
    config = body(folders["bert"]).config
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == 0


def test_sentence_transformers_pooling_is_followed(copy):
    from w2s_hf import pooling

    folder = copy("bert")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    network = body(folder)
    assert pooling.choose("auto", network, network.config, folder, "m") == "mean"
    with pytest.raises(ModelError, match="no pooling layer"):
        pooling.choose("own", network, network.config, folder, "m")


def test_a_tokenizer_that_loses_characters_is_noticed(word_tokenizer, bpe_tokenizer):
    assert lost_characters(bpe_tokenizer, ["the film # 5 é"]) == ("", "")
    lost, example = lost_characters(word_tokenizer, ["the film", "a bad film # the end"])
    assert "#" in lost and example == "a bad film # the end"


def test_a_moved_run_warns_without_naming_a_folder(tiny_stories, make_ctx, make_data, one_hot):
    from w2s_hf.classifier import Classifier

    data = make_data(texts=[("the * film", 0), ("a ` film", 1)] * 1)
    ctx = make_ctx(stories=tiny_stories)
    config = ClassifierConfig(model="stories", epochs=1)
    Classifier(config).train(data.blind(), one_hot(data), ctx)
    assert ctx.warnings[0]["code"] == "tokenizer_loses_characters"
    assert str(tiny_stories.parent) not in str(ctx.warnings)


def test_hub_folder_names_what_looks_local():
    assert [hub.looks_local(i) for i in ("./a", "../a", "/a", "~/a", "a/b", "gpt2")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
