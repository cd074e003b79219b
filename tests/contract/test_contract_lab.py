"""The embedded lab's models and tasks."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from w2s_toolkit.testing import ModelContract, TaskContract


class TestLab(ModelContract):
    use = "lab"
    config = {"id": "lab-xs", "device": "cpu", "dtype": "float32"}
    fixed = {
        "revision": "means something on the hub alone",
        "device": "the other devices may not be here",
    }
    other_values = {"dtype": "bfloat16"}
    bad_configs = [{"id": "lab-xl"}, {"dtype": "float8"}, {"peft": {"rank": 8}}]


class LabTaskContract(TaskContract):
    config = {"rows": 96}
    other_values = {"easy": ["weak_train"], "difficulty": [1, 3]}
    bad_configs = [
        {"difficulty": [0, 1]},
        {"difficulty": [2, 2]},
        {"difficulty": [2], "easy": ["weak_train"]},
        {"rows": 1},
        {"passage": "maybe"},
    ]


class TestLabClaims(LabTaskContract):
    use = "lab_claims"


class TestLabChoice(LabTaskContract):
    use = "lab_choice"


class TestLabPreference(LabTaskContract):
    use = "lab_preference"


class TestLabPreferencePairs(LabTaskContract):
    use = "lab_preference"
    config = {**LabTaskContract.config, "form": "pair"}


class TestLabAnswer(LabTaskContract):
    use = "lab_answer"


class TestLabLongAnswer(LabTaskContract):
    use = "lab_answer"
    config = {**LabTaskContract.config, "things": 3}


class TestLabClaimsFromEasyToHard(LabTaskContract):
    use = "lab_claims"
    config = {**LabTaskContract.config, "easy": ["weak_train", "val"], "passage": "right"}
    other_values = {"easy": ["weak_train"], "difficulty": [1, 3], "passage": "none"}
