"""Tiny random models with real tokenizers, a task they can learn, and contexts to run in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from w2s_hf.config import HFModelConfig
from w2s_hf.model import HFModel
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo, content_id
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.shared import SharedObjects

GOOD = ["good", "great", "fine", "lovely", "bright", "happy"]
BAD = ["bad", "awful", "poor", "ugly", "dark", "sad"]
FILLER = [
    "the",
    "a",
    "film",
    "was",
    "story",
    "and",
    "plot",
    "acting",
    "very",
    "with",
    "of",
    "it",
    "seemed",
    "end",
]
SHARED_MODELS = Path(__file__).parents[2].parent / "shared" / "models"


def sentences(n: int, seed: int = 0) -> list[tuple[str, int]]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = i % 2
        words = list(rng.choice(FILLER, rng.integers(2, 12)))
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(GOOD if label else BAD)))
        rows.append((" ".join(words) + f" {i}", label))
    return rows


def exact(folder: Path, **settings: Any) -> HFModelConfig:
    """A model in float32, which ``auto`` is not everywhere: small differences are measured here."""
    return HFModelConfig(id=str(folder), dtype="float32", **settings)


@pytest.fixture(scope="session")
def make_data() -> Callable[..., Dataset]:
    def make(
        n: int = 64,
        seed: int = 0,
        classes: tuple[str, ...] = ("negative", "positive"),
        name: str = "pool",
        texts: list[tuple[str, int]] | None = None,
    ) -> Dataset:
        examples = [
            Example(content_id(text, ()), text, classes, classes.index(sorted(classes)[gold]))
            for text, gold in (texts or sentences(n, seed))
        ]
        info = TaskInfo("classification", classes, "Is it positive or negative?")
        return Dataset.from_examples(examples, info, name)

    return make


@pytest.fixture(scope="session")
def one_hot() -> Callable[[Dataset], LabelSet]:
    def make(data: Dataset) -> LabelSet:
        probs = np.eye(data.num_classes)[data.gold]
        return LabelSet(tuple(data.ids), probs, data.info.classes)

    return make


@pytest.fixture(scope="session")
def bpe_tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([t for t, _ in sentences(300, 9)], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture(scope="session")
def word_tokenizer() -> Any:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials)
    tokenizer.train_from_iterator([t for t, _ in sentences(300, 9)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


@pytest.fixture(scope="session")
def folders(
    tmp_path_factory: pytest.TempPathFactory, bpe_tokenizer: Any, word_tokenizer: Any
) -> dict[str, Path]:
    """Saved models by family: gpt2, llama, bert, bert_pooler, t5."""
    small = {"vocab_size": 400, "num_hidden_layers": 2, "num_attention_heads": 2}
    configs = {
        "gpt2": transformers.GPT2Config(
            vocab_size=400, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=0
        ),
        "llama": transformers.LlamaConfig(
            **small, hidden_size=32, intermediate_size=64, max_position_embeddings=64
        ),
        "bert": transformers.BertConfig(
            **small, hidden_size=32, intermediate_size=64, max_position_embeddings=64
        ),
        "t5": transformers.T5Config(vocab_size=400, d_model=32, d_ff=64, num_layers=1, num_heads=2),
    }
    makers = {
        "gpt2": transformers.GPT2LMHeadModel,
        "llama": transformers.LlamaForCausalLM,
        "bert": transformers.BertForMaskedLM,
        "bert_pooler": transformers.BertModel,
        "t5": transformers.T5ForConditionalGeneration,
    }
    root = tmp_path_factory.mktemp("models")
    for name, maker in makers.items():
        torch.manual_seed(1)
        maker(configs[name.split("_")[0]]).save_pretrained(root / name)
        tokenizer = word_tokenizer if name.startswith("bert") else bpe_tokenizer
        tokenizer.save_pretrained(root / name)
    return {name: root / name for name in makers}


@pytest.fixture
def make_ctx(tmp_path: Path, folders: dict[str, Path]) -> Callable[..., StageContext]:
    """A context of its own folders on each call; ``models`` maps names to folders or configs."""
    count = 0

    def make(
        seed: int = 0, shared: SharedObjects | None = None, out: Path | None = None, **models: Any
    ) -> StageContext:
        nonlocal count
        count += 1
        base = tmp_path / f"stage{count}"
        (base / "out").mkdir(parents=True)
        (base / "scratch").mkdir()
        named = {**folders, **models}
        components = {
            name: HFModel(m if isinstance(m, HFModelConfig) else exact(m))
            for name, m in named.items()
        }
        return StageContext(
            seed=seed,
            stage=f"stage{count}",
            out=out or base / "out",
            scratch=base / "scratch",
            threads=1,
            models=components,
            shared=shared,
        )

    return make


@pytest.fixture(scope="session")
def tiny_stories() -> Path:
    path = SHARED_MODELS / "TinyStories-656K"
    if not path.is_dir():
        pytest.skip("the development model TinyStories-656K is not here")
    return path
