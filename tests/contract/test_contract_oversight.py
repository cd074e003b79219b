"""The built-in oversight protocols, judges and their measures, on tiny real models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from test_contract_hf import tiny

from w2s_oversight.prompt_files import OWN
from w2s_toolkit.data import Dataset
from w2s_toolkit.testing import (
    EvaluatorContract,
    OversightContract,
    SupervisorContract,
    tiny_dataset,
)

# Models without any training sometimes write nothing.
SHORT = {"max_tokens": 3, "temperature": 0.7, "top_p": 0.9, "max_unfinished": 1.0}
VARIED = {
    "stop": ["x"],
    "text": "number (.*)",
    "answers": "choice",
    "passage": "line",
    "max_unfinished": 0.9,
}
BAD = [{"text": "no group"}, {"text": "("}, {"max_tokens": 0}, {"prompts": "no_such_folder"}]


def prompts(folder: Path) -> str:
    """Short prompts: the tiny models take 512 tokens, some three for a word they do not know."""
    made = folder / "prompts"
    made.mkdir(exist_ok=True)
    (made / "judge.txt").write_text(
        "{shots}{prompt} {choices} {evidence} so which of {labels} is it now"
    )
    return str(made)


class TalkContract(OversightContract):
    """Every speaker is the same tiny model."""

    rows = 6
    speech: tuple[str, ...] = ()

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder)}

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        own = prompts(folder)
        short = dict.fromkeys(self.speech, "{text} {answer} {transcript}")
        short |= {"evidence": "{turns}", "turn": "{name} {turns}", "direct": "{prompt} {labels}"}
        for name, text in short.items():
            if (OWN / self.use / f"{name}.txt").exists() or name == "direct":
                (Path(own) / f"{name}.txt").write_text(text)
        return {**SHORT, "prompts": own, **self.config}


@pytest.mark.slow
class TestInteraction(TalkContract):
    use = "interaction"
    speech = ("ask", "answer")
    config = {"assistant": "tested", "judge": "tested", "asks": "judge", "rounds": 2}
    other_values = {**VARIED, "confident": 0.6}
    bad_configs = [*BAD, {"judge": None}, {"confident": 1.0}, {"assistant": "nobody"}]


@pytest.mark.slow
class TestDebate(TalkContract):
    use = "debate"
    speech = ("opening", "critique", "question")
    config = {"debater": "tested", "judge": "tested", "questions": True, "rounds": 2}
    other_values = {**VARIED, "opponent": "tested"}
    fixed = {"opponent": "by default the debater itself"}
    bad_configs = [*BAD, {"judge": None}, {"best_of": 2, "temperature": 0.0}, {"turns": "both"}]


@pytest.mark.slow
class TestConsultancy(TalkContract):
    use = "consultancy"
    speech = ("argue",)
    config = {"advisor": "tested"}
    other_values = VARIED
    bad_configs = [*BAD, {"side": "left"}]


@pytest.mark.slow
class TestCritique(TalkContract):
    use = "critique"
    speech = ("critique",)
    config = {"assistant": "tested"}
    other_values = VARIED
    fixed = {"critic": "by default the assistant itself"}
    bad_configs = BAD


@pytest.mark.slow
class TestAnswerOnly(TalkContract):
    use = "answer_only"
    config = {"assistant": "tested"}
    other_values = VARIED
    bad_configs = BAD


class TestBlind(OversightContract):
    use = "blind"


class TestOracle(OversightContract):
    """Contracts give no meta, so this is the oracle of rows without a passage."""

    use = "oracle"


class TestShuffled(OversightContract):
    use = "shuffled"
    row_by_row = False

    def make_data(self, name: str) -> Dataset:
        """Rows that each have evidence of their own."""
        import pyarrow as pa

        data = tiny_dataset(self.rows, name=name)
        at = data.table.column_names.index("evidence")
        texts = pa.array([f"about {i}" for i in data.ids], pa.string())
        return Dataset(data.table.set_column(at, "evidence", texts), data.info, name)


class JudgeContract(SupervisorContract):
    rows = 12
    config = {"model": "tested", "train_on": "weak_train", "shots": 2}
    other_values = {"answers": "choice", "text": "number (.*)", "ladder": ["score"]}
    fixed = {"choose_on": "a judge has no checkpoints"}
    bad_configs = [
        {"ladder": []},
        {"ladder": ["score", "score"]},
        {"shots": 0},
        {"choose_on": "val"},
        {"model": "nobody"},
        {"flip_weight": 2},
    ]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder)}

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        return {**self.config, "prompts": prompts(folder)}


@pytest.mark.slow
class TestJudge(JudgeContract):
    use = "judge"


@pytest.mark.slow
class TestAssistantDirect(JudgeContract):
    use = "assistant_direct"
    fixed = JudgeContract.fixed | {
        "prompt": "the prompt direct shows no examples, and there are some",
        "passage": "only the prompt direct shows one",
    }


class TestOversightMetrics(EvaluatorContract):
    use = "oversight"
    needs_no_answers = ("unscored",)
    bounds = {"unscored": (0.0, 1.0), "flip_rate": (0.0, 1.0), "quotes_verified": (0.0, 1.0)}
