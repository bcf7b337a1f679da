"""evaluate.load("llm_judge") from the root: offline, from an empty cache, in a process of its own, as a user would call it."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import doctest, importlib, json, sys, warnings
warnings.simplefilter("ignore")
import evaluate

metric = evaluate.load("llm_judge")
judge = lambda prompts: ['{"explanation": "", "score": 4}' for prompt in prompts]
columns = dict(predictions=["She is furious.", "sad", "no idea"], references=["angry", "sad", "sad"])
whole = metric.compute(**columns, labels=["angry", "sad", "sad"], judge=judge, embedder=None)
assert (whole["llm_judge"], whole["n"], whole["n_scored"]) == (80.0, 3, 3), whole
assert abs(whole["accuracy"] - 2 / 3) < 1e-12, whole

metric.add_batch(predictions=columns["predictions"][:2], references=columns["references"][:2])
metric.add(prediction=columns["predictions"][2], reference=columns["references"][2])
assert metric.compute(labels=["angry", "sad", "sad"], judge=judge, embedder=None) == whole

for wrong in (dict(labels=["angry"]), dict(questions=["a", "b", "c", "d"])):
    try:
        metric.compute(**columns, **wrong)
    except ValueError as error:
        assert next(iter(wrong)) in str(error), error
    else:
        raise AssertionError(f"{wrong} passed")
try:
    metric.compute(**columns, no_such_option=1)
except TypeError as error:
    assert "no_such_option" in str(error)
else:
    raise AssertionError("an unknown option passed")

missing = metric.compute(predictions=[None, "sad"], references=[None, "sad"], labels=["sad", "sad"], judge=lambda prompts: judge([""] * len(prompts)))
assert (missing["n"], missing["n_scored"], missing["accuracy"]) == (2, 1, 0.5), missing
metric.add(prediction=None, reference="sad")
assert metric.compute()["n"] == 1

try:
    evaluate.load("llm_judge", "stars")
except ValueError as error:
    assert "rubric 'stars' is not one of audiobench, binary, open" in str(error)
else:
    raise AssertionError("a name without a rubric loaded")

empty = metric.compute(predictions=[], references=[])
assert empty["n"] == 0 and empty["llm_judge"] is None, empty

class Plain(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(description="", citation="", features=metric.features)
    def _compute(self, predictions, references):
        return {"exact": sum(p == r for p, r in zip(predictions, references)) / len(references)}

both = evaluate.combine([metric, Plain()]).compute(predictions=["sad", "angry"], references=["sad", "sad"])
assert both["exact"] == 0.5 and both["n"] == 2, both

path = evaluate.save(sys.argv[1], **whole)
assert json.loads(path.read_text())["llm_judge"] == 80.0

by_path = evaluate.load("metrics/llm_judge", keep_in_memory=True)
assert by_path.compute(predictions=["sad"], references=["sad"])["n"] == 1

found = doctest.testmod(importlib.import_module(type(metric).__module__))
assert found.failed == 0 and found.attempted >= 4, found
print("done")
"""


def test_the_metric_loads_and_computes_offline_from_an_empty_cache(tmp_path: Path) -> None:
    env = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    env.pop("HF_MODULES_CACHE", None)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "saved.json")], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "done"


def test_the_module_keeps_to_what_evaluate_can_read() -> None:
    source = (ROOT / "metrics/llm_judge/llm_judge.py").read_text(encoding="utf-8")
    imports = [line for line in source.split("\n") if line.startswith(("import ", "from "))]
    assert imports == ["import datasets", "import evaluate"]
    assert "**kwargs" not in source


def test_the_link_at_the_root_is_relative() -> None:
    link = ROOT / "llm_judge"
    if not link.exists():
        pytest.skip("not a checkout")
    assert link.is_symlink()
    assert os.readlink(link) == "metrics/llm_judge"


def test_the_card_has_the_canonical_headings_and_names_every_key() -> None:
    from cp_paraling_qa.judge import compute

    card = (ROOT / "metrics/llm_judge/README.md").read_text(encoding="utf-8")
    for heading in (
        "Metric Description",
        "How to Use",
        "Inputs",
        "Output Values",
        "Values from Popular Papers",
        "Examples",
        "Limitations and Bias",
        "Citation",
        "Further References",
    ):
        assert f"# {heading}\n" in card, heading
    assert card.startswith("---\ntitle: ")
    said = ("_ci_low", "_ci_high", "_n")  # one sentence says it of all of them
    keys = [key for key in compute([], []) if not (key.startswith(("judge_label_", "human_")) and key.endswith(said)) or key == "judge_label_n"]
    assert all(f"`{key}`" in card for key in keys)
    signature = inspect.signature(compute)
    assert all(f"**{name}**" in card for name in signature.parameters)


def test_the_metric_takes_what_compute_takes() -> None:
    """So that a new keyword of the one is never forgotten in the other; and all are in its documentation."""
    from cp_paraling_qa.judge import compute

    tree = ast.parse((ROOT / "metrics/llm_judge/llm_judge.py").read_text(encoding="utf-8"))
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_compute")
    names = [argument.arg for argument in found.args.args][1:]
    assert set(names) == set(inspect.signature(compute).parameters)
    documentation = next(node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "_KWARGS_DESCRIPTION")
    assert all(f"\n    {name} (" in documentation for name in names)


def test_it_is_installed_for_any_directory_and_taken_away_again(tmp_path: Path) -> None:
    env = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    env.pop("HF_MODULES_CACHE", None)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)

    installed = run("-m", "cp_paraling_qa.cli", "install-metric")
    assert installed.returncode == 0, installed.stderr
    written = Path(installed.stdout.splitlines()[0].removeprefix("wrote "))
    assert written.read_bytes() == (ROOT / "metrics/llm_judge/llm_judge.py").read_bytes()
    loaded = run("-W", "ignore", "-c", "import evaluate; print(evaluate.load('llm_judge', 'binary').compute(predictions=['x'], references=['y'])['rubric'])")
    assert loaded.stdout.strip() == "binary", loaded.stderr
    assert "removed" in run("-m", "cp_paraling_qa.cli", "install-metric", "--remove").stdout
    assert not written.exists()
