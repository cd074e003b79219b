"""Model folders that are damaged, incomplete or not what they say: refused, with place and mend."""

from __future__ import annotations

import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from w2s_hf.config import ClassifierConfig, HFModelConfig
from w2s_hf.loading import load_body, load_config, load_tokenizer
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import W2SError


@pytest.fixture
def copy(folders, tmp_path):
    def make(family: str):
        return shutil.copytree(folders[family], tmp_path / f"my-{family}")

    return make


def body(folder):
    return load_body(folder, folder.name, dtype=torch.float32, attention=None, code=False)


def error_of(call, *args, **more) -> str:
    with pytest.raises(W2SError) as caught:
        call(*args, **more)
    shown = str(caught.value)
    print(shown)
    assert "\n  next: " in shown
    return shown


def write(folder, weights):
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def header(folder, change):
    """Rewrite the JSON header of a safetensors file."""
    raw = (folder / "model.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    text = change(raw[8 : 8 + size])
    (folder / "model.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + raw[8 + size :]
    )


DAMAGE = {
    "empty": lambda raw: b"",
    "garbage": lambda raw: b"\x93NUMPY" + bytes(range(256)) * 20,
    "cut in the header": lambda raw: raw[:100],
    "cut in the weights": lambda raw: raw[: len(raw) // 2],
    "last byte missing": lambda raw: raw[:-1],
    "a byte too many": lambda raw: raw + b"\0",
    "header longer than the file": lambda raw: struct.pack("<Q", 10**6) + raw[8:],
    "header of 2^63 bytes": lambda raw: struct.pack("<Q", 2**63) + raw[8:],
    "header of no bytes": lambda raw: struct.pack("<Q", 0) + raw[8:],
    "header that is not JSON": lambda raw: raw[:8] + b"x" * 50 + raw[58:],
    "a web page": lambda raw: b"<!DOCTYPE html><html>404</html>",
    "a pointer of git lfs": lambda raw: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_damaged_weights_are_refused(copy, family, damage):
    folder = copy(family)
    file = folder / "model.safetensors"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    shown = error_of(body, folder)
    assert str(folder) in shown and f"model 'my-{family}' cannot be loaded" in shown
    assert "downloading or copying them again" in shown


def test_a_header_that_lies_about_types_or_places(copy):
    folder = copy("gpt2")
    header(folder, lambda text: text.replace(b'"F32"', b'"X99"', 1))
    assert "cannot be loaded" in error_of(body, folder)


def test_weights_that_are_missing_are_never_random(copy):
    for family in ("llama", "gpt2", "bert"):
        folder = copy(family)
        whole = load_file(folder / "model.safetensors")
        inner = [n for n in whole if not n.startswith(("lm_head", "cls.", "pooler"))]
        for name in (inner[0], inner[len(inner) // 2], inner[-1]):
            write(folder, {k: v for k, v in whole.items() if k != name})
            shown = error_of(body, folder)
            assert "not in its checkpoint and would be random" in shown
            assert name.split(".")[-2] in shown
        half = {k: v for k, v in whole.items() if ".1." not in k}
        assert len(half) < len(whole)
        write(folder, half)
        assert "and would be random" in error_of(body, folder)
        write(folder, {f"other.{k}": v for k, v in whole.items()})
        assert "and would be random" in error_of(body, folder)


def test_weights_of_another_shape_are_refused(copy):
    folder = copy("llama")
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    write(folder, {**weights, name: weights[name][:, :-1].contiguous()})
    shown = error_of(body, folder)
    assert "down_proj" in shown


def test_a_tied_checkpoint_may_lack_nothing_else(copy):
    """Embeddings that are only stored as the output layer are found; any other gap is refused."""
    folder = copy("gpt2")
    weights = load_file(folder / "model.safetensors")
    embedding = next(n for n in weights if n.endswith("wte.weight"))
    weights["lm_head.weight"] = weights.pop(embedding)
    write(folder, weights)
    assert torch.equal(body(folder).wte.weight, weights["lm_head.weight"])
    gap = next(n for n in weights if n.endswith("h.1.mlp.c_fc.weight"))
    write(folder, {k: v for k, v in weights.items() if k != gap})
    assert "and would be random" in error_of(body, folder)


def test_tiny_stories_is_whole(tiny_stories):
    stored = load_file(tiny_stories / "model.safetensors")
    assert not any("embed_tokens" in name for name in stored)
    assert torch.equal(
        body(tiny_stories).embed_tokens.weight.float(), stored["lm_head.weight"].float()
    )


def test_a_sharded_checkpoint_that_names_a_missing_shard(copy):
    folder = copy("llama")
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    shards = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for shard, some in shards.items():
        save_file({n: weights[n] for n in some}, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: s for s, some in shards.items() for n in some}}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert body(folder) is not None
    (folder / "model-00002-of-00002.safetensors").unlink()
    shown = error_of(body, folder)
    assert "model-00002-of-00002.safetensors" in shown
    (folder / "model.safetensors.index.json").write_text("{")
    error_of(body, folder)
    (folder / "model.safetensors.index.json").write_text('{"metadata": {}}')
    error_of(body, folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[1, 2]", "cannot be read"),
        ("null", "cannot be read"),
        ('"x"', "cannot be read"),
        ("{}", "cannot be read"),
        ('{"model_type": "never_heard_of"}', "never_heard_of"),
        ('{"model_type": 3}', "cannot be read"),
        ('{"model_type": "gpt2", "n_layer": "many"}', "n_layer"),
        ('{"a": ' * 3000, "cannot be read"),
        ("\0\0\0", "cannot be read"),
        ('{"model_type": "my_net", "auto_map": {"AutoConfig": "code.MyConfig", "AutoModel": "code.My"}}',
         "trust_remote_code"),
    ],
)  # fmt: skip
def test_a_config_that_is_none_is_refused_by_plan_and_run(copy, text, says):
    folder = copy("gpt2")
    (folder / "config.json").write_text(text)
    config = HFModelConfig(id=str(folder))
    described = '"model_type"' in text
    assert bool(config.check()) is not described
    assert config.capabilities() is not None
    if not described:
        assert "config.json is not the JSON object" in error_of(config.fingerprint, Digests())
    shown = error_of(body, folder)
    assert says in shown
    assert str(folder) in shown


def test_code_that_comes_with_a_model_is_not_run(copy, tmp_path):
    folder = copy("gpt2")
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    kinds = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForCausalLM"), "code.Net")
    given = {"model_type": "my_net", "auto_map": kinds, "architectures": ["Net"]}
    (folder / "config.json").write_text(json.dumps(given))
    shown = error_of(load_config, folder, "net", code=False)
    assert "trust_remote_code" in shown
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": "1.0"}', "\0" * 9, '{"model": {"type": "?"}}']
)
def test_a_tokenizer_that_is_none_is_refused(copy, text):
    folder = copy("gpt2")
    (folder / "tokenizer.json").write_text(text)
    shown = error_of(load_tokenizer, folder, folder.name, code=False)
    assert "the tokenizer of model 'my-gpt2' cannot be opened" in shown


def test_folders_that_hold_no_weights(copy, tmp_path):
    folder = copy("gpt2")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    problem = HFModelConfig(id=str(folder)).check()[0]
    assert "only pytorch_model.bin, which can run code when opened" in problem
    (folder / "pytorch_model.bin").unlink()
    assert "no weights" in HFModelConfig(id=str(folder)).check()[0]
    (folder / "model.safetensors").mkdir()
    assert "no weights" in HFModelConfig(id=str(folder)).check()[0]
    (folder / "model.safetensors").rmdir()
    (folder / "model.safetensors").symlink_to("model.safetensors")
    assert "no weights" in HFModelConfig(id=str(folder)).check()[0]
    assert "no folder" in HFModelConfig(id=str(tmp_path / "nowhere")).check()[0]


def test_a_tokenizer_without_a_pad_token_trains_and_predicts(copy, make_ctx, make_data, one_hot):
    from w2s_hf.classifier import Classifier

    folder = copy("gpt2")
    data = make_data(16)
    ctx = make_ctx(nopad=folder)
    assert ctx.model("nopad").tokenizer(ctx).pad_token is None
    classifier = Classifier(ClassifierConfig(model="nopad", epochs=1))
    ref = classifier.train(data.blind(), one_hot(data), ctx)
    labels = classifier.label(ref, data.blind(), ctx)
    assert len(labels) == 16


def test_long_rows_are_cut_counted_and_told(make_ctx, make_data, one_hot):
    from w2s_hf.classifier import Classifier

    texts = [("good film " * 40, 1), ("bad", 0), ("ugly plot " * 99, 0), ("fine", 1)]
    data = make_data(texts=texts)
    ctx = make_ctx()
    Classifier(ClassifierConfig(model="gpt2", epochs=1, max_length=16)).train(
        data.blind(), one_hot(data), ctx
    )
    assert ctx.counters["truncated"] == 2
    said = [w["message"] for w in ctx.warnings if w["code"] == "truncated"]
    assert said == ["2 of 4 texts were cut to 16 tokens"]


def test_characters_that_a_tokenizer_loses_are_shown(make_ctx, make_data, one_hot):
    from w2s_hf.classifier import Classifier

    data = make_data(texts=[("good film §", 1), ("bad ¶ film", 0)])
    ctx = make_ctx()
    Classifier(ClassifierConfig(model="bert", epochs=1)).train(data.blind(), one_hot(data), ctx)
    said = next(w["message"] for w in ctx.warnings if w["code"] == "tokenizer_loses_characters")
    assert "§" in said and "¶" in said


def test_a_hub_model_without_a_network_says_how_to_do_without(fails, toy_recipe):
    shown = fails("plan", toy_recipe, "--set", "models.strong={use: hf, id: nobody/nothing}")
    assert (
        "models.strong: model 'nobody/nothing' is neither a folder here nor in the hub's cache"
        in shown
    )
    assert "--set models.strong.id=PATH" in shown
