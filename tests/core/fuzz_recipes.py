"""Mutates recipes at random and sends each through what ``w2s validate`` and ``w2s plan`` do.

A case is a pure function of seed and number, so any of them can be made again:

    python tests/core/fuzz_recipes.py --count 50000 --seed 7
    python tests/core/fuzz_recipes.py --seed 7 --only 1234

Prints one JSON object; the exit code is 1 if any case ended in anything but a valid plan or a
clear error.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "toy_plugin")]

from recipe_mutations import Case, make_case  # noqa: E402

HEAVY = ("torch", "transformers", "openai", "ray", "accelerate", "peft")
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")

RICH = """\
schema: 1
name: rich
description: "a b"
seed: 3
models:
  weak: {use: toy, letters: 1}
  strong: {use: toy}
  asked: {use: hf, id: models/decoder, dtype: float32, peft: {r: 4}}
task:
  use: table
  path: {train: rows.jsonl, test: more.csv}
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  label_map: {negative: negative, positive: positive}
  group: text
  feeds: {"*": train, test: test}
  splits: {weak_train: 40, pool: 200, val: 40, test: all}
  split_seed: 1
  balance: false
baselines: [strong_ceiling]
phases:
  - name: first
    pool: pool
    oversight: [toy_hint, {use: toy_hint, text: x}]
    supervisors: [{use: toy_bayes, model: weak, train_on: weak_train}]
    refine: [{use: toy_sharpen, on: val}]
    student: {use: toy_student, model: strong}
    evaluate: [accuracy, {use: pgr, replicates: 300}, toy_mean]
  - name: second
    pool: pool
    supervisors:
      - use: zero_shot
        model: asked
        template: "{prompt}\\n{question}"
    student:
      use: classifier
      model: asked
      loss: {use: logconf, alpha_max: 0.7}
      lr: 1e-4
    evaluate: [{use: accuracy, on: test, roles: [student]}, calibration]
    allow_overlap: true
matrix:
  seed: [0, 1]
  phases.second.student.loss: [xent, {use: logconf, ramp: 0.3}]
  models.weak.letters: [1, null]
"""


class Verdict(NamedTuple):
    """How a case ended: ``valid``, ``error``, or ``FAULT`` with what is wrong about it."""

    outcome: str
    text: str


class Fuzzer:
    """Runs cases in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        from w2s_toolkit.registry import Registry

        self.folder = folder
        self.registry = Registry()
        self.bases = self._bases()
        self.file = folder / "recipe.yaml"
        self._write_inputs()

    def run(self, case: Case, *, plan: bool = True) -> Verdict:
        """Load, check and plan a case as the commands do, and judge how it ended."""
        self.file.write_bytes(case.content)
        try:
            shown = self._validate_and_plan(case, plan)
        except Exception as error:
            return self._judge(error)
        return Verdict("valid", shown)

    def _validate_and_plan(self, case: Case, plan: bool) -> str:
        from w2s_toolkit.cli.plan import _print_tree
        from w2s_toolkit.plan.export import plan_json, plan_recipe
        from w2s_toolkit.plan.why import Explainer
        from w2s_toolkit.recipe.load import find_recipe, load_recipe
        from w2s_toolkit.run import resolved_yaml
        from w2s_toolkit.store import Store

        found = find_recipe(str(self.file), self.registry)
        loaded = load_recipe(found, self.registry, case.overrides)
        if not plan:
            return loaded.name
        store = Store(self.folder / "store")
        made = plan_recipe(loaded, store)
        explainer = Explainer(made.graph, store)
        status = {s.key: "to run" for s in made.graph}
        why = {s.key: explainer.why(s) for s in made.graph}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            _print_tree(made, status, why, False)
        json.dumps(plan_json(made, status=status, why=why), default=str)
        # What a run writes first must be writable too.
        for text in (out.getvalue(), resolved_yaml(loaded), loaded.text, "\n".join(case.overrides)):
            text.encode(
                "utf-8", "surrogateescape" if text == "\n".join(case.overrides) else "strict"
            )
        return out.getvalue()

    def command(self, case: Case, verdict: Verdict) -> Verdict:
        """The same case through the command line itself, which must come to the same end."""
        from w2s_toolkit.cli.main import entry

        given = sys.argv
        options = [word for text in case.overrides for word in ("--set", text)]
        sys.argv = ["w2s", "plan", str(self.file), *options, "--store", "store"]
        out, shown, code = io.StringIO(), io.StringIO(), None
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(shown):
                entry()
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            return Verdict("FAULT", f"w2s plan: {type(error).__name__}: {error}")
        finally:
            sys.argv = given
        if code != (0 if verdict.outcome == "valid" else 2):
            return Verdict("FAULT", f"w2s plan: exit code {code}: {shown.getvalue()}")
        if verdict.outcome == "error" and verdict.text not in shown.getvalue():
            return Verdict("FAULT", f"w2s plan: {verdict.text!r} is not in {shown.getvalue()!r}")
        return verdict

    def _judge(self, error: Exception) -> Verdict:
        from w2s_toolkit.errors import RecipeError, W2SError

        if not isinstance(error, W2SError):
            where = "".join(traceback.format_exception(error)[-14:])
            return Verdict("FAULT", f"{type(error).__name__}: {str(error)[:300]}\n{where}")
        parts = list(error.problems) if isinstance(error, RecipeError) else []
        for text in parts or [str(error)]:
            if "fault of that plugin" in text:
                return Verdict("FAULT", text)
            if fault := self._unclear(text):
                return Verdict("FAULT", f"{fault}: {text}")
        if isinstance(error, RecipeError) and error.exit_code != 2:
            return Verdict("FAULT", f"exit code {error.exit_code}: {error}")
        return Verdict("error", str(error))

    def _unclear(self, text: str) -> str:
        """What a message lacks; empty when it says where, what and what next."""
        place = rf"{re.escape(str(self.file))}(:\d+)?: |--set "
        if not re.match(place, text):
            return "no place"
        if not re.match(rf"{re.escape(str(self.file))}:\d+: |--set ", text):
            whole = ("empty", "bytes", "nested", "cannot be read", "binary", "nothing but")
            if not any(word in text for word in whole):
                return "no line"
        if not re.search(r"(?m)^  next: \S", text):
            return "no next step"
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text.replace("\x1b", "")) and "--set" not in text:
            return "control characters"
        if len(text) > 8000:
            return "too long"
        return ""

    def _bases(self) -> dict[str, str]:
        """Shipped recipes with local inputs, and one that uses nearly every key."""
        from w2s_toolkit.recipe.tree import read_tree

        found = {"rich": RICH}
        for recipe in self.registry.recipes():
            tree = read_tree(Path(recipe.path))
            lines = [line for line in tree.lines if not line.startswith("#")]
            text = "\n".join(lines) + "\n"
            for block in tree.value.get("models", {}).values():
                if block["use"] != "hf":
                    continue  # the package carries it, or a server has it
                given = re.escape(str(block.get("id")))
                kind = "encoder" if "MiniLM" in given else "decoder"
                text = re.sub(rf"{given}(?=[,}}\s])", f"models/{kind}", text)
            task = tree.value["task"]
            if "path" in task:
                text = text.replace(str(task["path"]), "rows.jsonl")
            elif "id" in task:
                text = text.replace(f"  id: {task['id']}\n", "  path: rows.jsonl\n")
                text = text.replace(f"  config: {task.get('config')}\n", "")
            elif not task["use"].startswith("lab_"):
                text = text.replace(
                    f"use: {task['use']}\n", f"use: {task['use']}\n  path: hub\n", 1
                )
            # Further tasks, in a matrix: their ids stand on lines of their own.
            text = re.sub(r"(?m)^(\s+)id: \S+/\S+$", r"\1path: rows.jsonl", text)
            found[recipe.name] = text.replace("../lab/", "lab/")
            if (prompts := Path(recipe.path).parent / "lab").is_dir():
                shutil.copytree(prompts, self.folder / "lab", dirs_exist_ok=True)
        return found

    def _write_inputs(self) -> None:
        (self.folder / "hub").mkdir()
        row = {
            "text": "fine",
            "sentence": "fine",
            "scenario": "fine",
            "label": 1,
            "opinion": "positive",
            "txt": "fine",
        }
        row |= {"chosen": "fine", "rejected": "foul"}
        row |= {"question": "q", "correct_answer": "a", "support": ""}
        row |= {f"distractor{n}": f"d{n}" for n in (1, 2, 3)} | {"soft_label": [0.5, 0.5]}
        line = json.dumps(row) + "\n"
        for name in ("rows.jsonl", "hub/train.jsonl", "hub/validation.jsonl"):
            (self.folder / name).write_text(line)
        (self.folder / "more.csv").write_text("text,opinion\nfine,positive\n")
        (self.folder / "empty.jsonl").write_text("")
        kinds = {"decoder": ("llama", "LlamaForCausalLM"), "encoder": ("bert", "BertModel")}
        for name, (kind, architecture) in kinds.items():
            place = self.folder / "models" / name
            place.mkdir(parents=True)
            config = {"model_type": kind, "architectures": [architecture]}
            (place / "config.json").write_text(json.dumps(config))
            (place / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")


class Watch:
    """Notes network use and writes outside the working folder, by an audit hook."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self.seen: set[str] = set()
        self.on = True
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in NETWORK:
            self.seen.add(f"{event} {args[1:]!r}"[:200])
        elif (
            event == "open" and isinstance(args[0], str | bytes) and self._writes(args[1], args[2])
        ) or event in WRITES:
            self._check(event, args[0])
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.fork"):
            self.seen.add(f"{event} {args!r}"[:200])

    def _check(self, event: str, path: Any) -> None:
        place = (
            os.path.realpath(os.fsdecode(path))
            if isinstance(path, str | bytes | os.PathLike)
            else ""
        )
        if not place.startswith((self.folder + "/", "/dev/null")) and place != self.folder:
            self.seen.add(f"{event} {place}")

    @staticmethod
    def _writes(mode: Any, flags: int) -> bool:
        if isinstance(mode, str):
            return any(c in mode for c in "wax+")
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def main() -> int:
    """Run the cases and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=int, default=20, help="faults to print")
    parsed = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.dont_write_bytecode = True
    sys.modules["__fuzz__"] = sys.modules["__main__"]
    with tempfile.TemporaryDirectory(prefix="w2s-fuzz-") as name:
        os.chdir(name)
        folder = Path(name).resolve()
        os.environ["HF_HOME"] = str(folder / "hf")
        fuzzer = Fuzzer(folder)
        for base, text in fuzzer.bases.items():
            verdict = fuzzer.run(Case(base, text.encode(), ()))
            if verdict.outcome != "valid":
                sys.exit(f"{base} is to be valid before it is mutated: {verdict.text}")
        watch = Watch(folder)
        if parsed.only is not None:
            return _show(fuzzer, parsed.seed, parsed.only)
        report = _run_all(fuzzer, parsed)
        watch.on = False
        os.chdir("/")
    report["heavy"] = sorted(set(HEAVY) & set(sys.modules))
    report["forbidden"] = sorted(watch.seen)
    print(json.dumps(report, indent=1))
    return 1 if report["faults"] or report["heavy"] or report["forbidden"] else 0


def _run_all(fuzzer: Fuzzer, parsed: argparse.Namespace) -> dict[str, Any]:
    counts: collections.Counter[str] = collections.Counter()
    faults: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    slowest = (0.0, 0)
    started = time.perf_counter()
    for number in range(parsed.first, parsed.first + parsed.count):
        began = time.perf_counter()
        case = make_case(fuzzer.bases, parsed.seed, number)
        verdict = fuzzer.run(case)
        if number % 50 == 0 and verdict.outcome != "FAULT":
            verdict = fuzzer.command(case, verdict)
        slowest = max(slowest, (time.perf_counter() - began, number))
        counts[verdict.outcome] += 1
        if verdict.outcome == "FAULT":
            faults.setdefault(re.sub(r"\d+", "0", verdict.text[-300:]), f"#{number} {verdict.text}")
        elif verdict.outcome == "error":
            kinds.setdefault(_kind(verdict.text), verdict.text)
    return {
        "counts": dict(counts),
        "seconds": round(time.perf_counter() - started, 1),
        "slowest": [round(slowest[0], 2), slowest[1]],
        "kinds": len(kinds),
        "faults": list(faults.values())[: parsed.keep],
        "different_faults": len(faults),
    }


def _kind(text: str) -> str:
    first = text.splitlines()[0]
    return re.sub(r"'.*?'|\d+|\(given: .*\)|^.*?yaml:", "", first)[:60]


def _show(fuzzer: Fuzzer, seed: int, number: int) -> int:
    case = make_case(fuzzer.bases, seed, number)
    print(f"--- {case.base} {case.overrides}")
    print(case.content.decode("utf-8", "backslashreplace")[:5000])
    verdict = fuzzer.run(case)
    print(f"--- {verdict.outcome}\n{verdict.text}")
    return 1 if verdict.outcome == "FAULT" else 0


if __name__ == "__main__":
    sys.exit(main())
