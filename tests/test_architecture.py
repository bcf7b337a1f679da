"""The shape of the house: what is public, and which way imports run."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

import cp_paraling_qa

PACKAGE = ROOT / "cp_paraling_qa"
FLOORS = [
    {"schema", "labels", "feeling_words", "ledger", "errors"},
    {
        "audio",
        "digests",
        "stage",
        "ray_engine",
        "llm",
        "llm_access",
        "llm_cache",
        "llm_dialect",
        "llm_faults",
        "llm_types",
        "llm_wire",
        "llm_batch",
        "llm_endpoint",
        "llm_cost",
        "llm_gate",
        "llm_estimate",
        "embed",
        "embedded",
        "progress",
    },
    {"annotate", "condense", "corpora"},
    {"generate", "dataset", "training", "judge", "report", "benchmark"},
]
USES_JUDGE = {"training", "benchmark", "report"}
BENCHMARK_USES = {"training", "dataset", "generate"}  # it runs arms from end to end
TOP = {
    "cli",
    "cli_compare",
    "cli_export",
    "cli_metric",
    "cli_options",
    "cli_questions",
    "cli_score",
    "cli_whisper_llm",
    "building",
    "recipe",
    "sample",
}  # put the rooms together


def imports(path):
    """Rooms of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "cp_paraling_qa":
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names if isinstance(node, ast.ImportFrom)}
    return found


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(room):
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def test_imports_run_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        if room in TOP or room == "__init__":
            continue
        assert floor(room) is not None, f"{path} stands in a room that the house does not know"
        for other in imports(path) - {room, "__version__", "__init__"}:
            level = floor(other)
            allowed = level is not None and level < floor(room)
            allowed |= level == floor(room) and (level < 3 or (other == "judge" and room in USES_JUDGE) or (room == "benchmark" and other in BENCHMARK_USES))
            allowed |= room == "benchmark" and other == "building"
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_public_names():
    assert cp_paraling_qa.__all__ == ["Recipe", "__version__", "attach_audio", "build", "decode_audio", "to_lhotse"]
    for name in cp_paraling_qa.__all__:
        assert getattr(cp_paraling_qa, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = cp_paraling_qa.nothing_here


@pytest.mark.parametrize("module", ["cp_paraling_qa", "cp_paraling_qa.judge", "cp_paraling_qa.cli"])
def test_importing_stays_light(module):
    """Neither torch nor anything that brings it comes with an import that does not need it."""
    code = (
        f"import sys, {module}; print(*[m for m in ('torch', 'transformers', 'datasets', 'gradio', 'ray', 'librosa', 'openai', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "", done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_no_dataset_script_and_the_metric_link():
    assert not (PACKAGE / "cp_paraling_qa.py").exists()  # with it, load_dataset("cp_paraling_qa") would refuse
    assert (ROOT / "llm_judge").is_symlink() and (ROOT / "llm_judge").resolve() == ROOT / "metrics" / "llm_judge"
