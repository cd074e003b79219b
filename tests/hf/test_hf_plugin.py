"""What the plugin registers."""

from __future__ import annotations

import importlib

import pytest

from w2s_hf import plugin
from w2s_toolkit.config import ComponentConfig, ModelConfig, StudentConfig, SupervisorConfig
from w2s_toolkit.contracts import Student, Supervisor

COMPONENTS = [
    *((ModelConfig, object, c) for c in plugin.w2s_models()),
    *((SupervisorConfig, Supervisor, c) for c in plugin.w2s_supervisors()),
    *((StudentConfig, Student, c) for c in plugin.w2s_students()),
]
EXAMPLES = {"hf": {"id": "a/b"}, "labels_file": {"path": "x.jsonl"}}


def resolve(target):
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("base", "protocol", "component"), COMPONENTS, ids=lambda c: getattr(c, "name", "")
)
def test_components_resolve_and_satisfy_their_protocol(base, protocol, component):
    config = resolve(component.config)
    assert issubclass(config, base)
    assert issubclass(config, ComponentConfig)
    made = resolve(component.target)(config(**EXAMPLES.get(component.name, {"model": "m"})))
    assert isinstance(made, protocol)
    assert component.extra == ("hf" if component.requires else "")


@pytest.mark.parametrize(
    ("base", "protocol", "component"), COMPONENTS, ids=lambda c: getattr(c, "name", "")
)
def test_every_config_has_a_json_schema(base, protocol, component):
    schema = resolve(component.config).model_json_schema()
    assert schema["additionalProperties"] is False


def test_gold_and_needs_are_declared():
    by_name = {c.name: c for _, _, c in COMPONENTS}
    assert by_name["finetuned"].uses_gold == ("train_on", "choose_on")
    assert by_name["finetuned"].needs == by_name["classifier"].needs == ("train",)
    assert by_name["zero_shot"].needs == ("choice_probs",)
    assert by_name["labels_file"].requires == ()
