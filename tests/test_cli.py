"""The commands as a user types them: help, errors in one line with exit code 2, and a build from flags, from a recipe and from Python."""

import functools
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import soundfile
import yaml
from conftest import voice, write_folder_corpus

import cp_paraling_qa
from cp_paraling_qa.cli import app
from cp_paraling_qa.recipe import Recipe


def cpqa(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "cp_paraling_qa.cli", *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def names():
    return [command.name or command.callback.__name__ for command in app.registered_commands]


def test_every_command_has_help_with_an_example():
    from typer.testing import CliRunner

    assert names() == [
        *("corpus", "corpora", "annotators", "annotate", "condense", "to-lhotse"),
        *("generate", "audit", "assemble", "build", "export", "tiny-model", "small-model", "whisper-llm", "install-metric", "compare", "score", "demo"),
    ]
    for name in names():
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0 and f"Example: cpqa {name}" in result.stdout, name


def test_the_stages_one_by_one_build_what_build_builds(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    run = tmp_path / "steps"
    for arguments in (("corpus", "folder", root, "--run", run), ("annotate", run), ("generate", run, "--no-llm"), ("assemble", run, "--test-speakers", "s1")):
        done = cpqa(*arguments)
        assert done.returncode == 0, done.stderr
    assert 'load_dataset("' in done.stderr and "baseline" in done.stderr
    whole = cpqa("build", "--corpus", "folder", "--root", root, "--run", tmp_path / "whole", "--no-llm", "--test-speakers", "s1")
    assert whole.returncode == 0, whole.stderr
    data = [json.loads((folder / "dataset/_stage.json").read_text())["data"] for folder in (run, tmp_path / "whole")]
    assert data[0] == data[1]  # the hash of every byte


def test_the_written_recipe_reproduces_the_run_and_flags_override_it(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    first = cpqa("build", "--corpus", "folder", "--root", root, "--run", tmp_path / "a", "--no-llm", "--metadata-numbers")
    assert first.returncode == 0, first.stderr
    again = cpqa("build", "--recipe", tmp_path / "a/recipe.yaml", "--run", tmp_path / "b")
    assert again.returncode == 0, again.stderr
    records = [json.loads((tmp_path / name / "dataset/_stage.json").read_text()) for name in "ab"]
    assert records[0]["data"] == records[1]["data"] and records[1]["config"]["metadata"]["numbers"] is True
    plain = cpqa("build", "--recipe", tmp_path / "a/recipe.yaml", "--no-metadata-numbers")
    assert plain.returncode == 0 and json.loads((tmp_path / "a/dataset/_stage.json").read_text())["data"] != records[0]["data"]


def test_the_same_as_a_python_call(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"run": str(tmp_path / "run"), "corpora": [{"name": "folder", "root": str(root)}], "llm": "none"}))
    folder = cp_paraling_qa.build(tmp_path / "recipe.yaml")
    assert (folder / "README.md").is_file() and folder == tmp_path / "run/dataset"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build",), r"recipe entry run is missing: name the run folder with --run"),
        (("build", "--run", "r"), r"no corpus to build from"),
        (("build", "--run", "r", "--corpus", "folder"), r"1 × --corpus but 0 × --root"),
        (("build", "--run", "r", "--corpus", "nope", "--root", "."), r"unknown corpus 'nope'"),
        (("build", "--run", "r", "--corpus", "folder", "--root", "missing"), r"missing does not exist"),
        (("build", "--run", "r", "--no-llm", "--llm-model", "x"), r"exclude each other"),
        (("build", "--run", "r", "--llm-model", "x"), r"a model needs its endpoint"),
        (("build", "--run", "r", "--recipe", "none.yaml"), r"none\.yaml cannot be read"),
        (("build", "--run", "r", "--test-share", "1.5"), r"test_share and validation_share are shares"),
        (("build", "--run", "r", "--metadata-field", "mood"), r"metadata field mood is unknown"),
        (("corpus", "folder", "."), r"--run is missing"),
        (("annotate", "r"), r"there is no run folder r: `cpqa corpus"),
        (("generate", "r"), r"there is no run folder r"),
        (("assemble", "r"), r"there is no run folder r"),
        (("build", "--run", "r", "--llm-base-url", "http://me:pw@localhost/v1", "--llm-model", "x"), r"holds a password: leave it out.*OPENAI_API_KEY"),
        (("score", "none.jsonl"), r"none\.jsonl cannot be read"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy_and_exit_code_2(tmp_path, arguments, message):
    done = cpqa(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_in_a_recipe_is_named(tmp_path):
    with pytest.raises(cp_paraling_qa.errors.RecipeError, match=r"questions\.per_clipp"):
        Recipe.load({"run": tmp_path, "questions": {"per_clipp": 3}})


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_says_that_the_work_can_go_on(tmp_path):
    """The recipe is a pipe that nobody writes to, so that the command is at work when the signal comes."""
    os.mkfifo(tmp_path / "recipe.yaml")
    command = [sys.executable, "-m", "cp_paraling_qa.cli", "build", "--recipe", tmp_path / "recipe.yaml"]
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell starts in the background ignores Ctrl-C, and so would the command
    working = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    with open(tmp_path / "recipe.yaml", "w"):  # waits until the command reads
        working.send_signal(signal.SIGINT)
        said = working.communicate(timeout=60)[1]
    assert working.returncode == 130 and said.strip() == "cpqa: stopped. Run the same command again: it goes on where it was."


def test_what_was_left_out_is_on_the_screen(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    soundfile.write(root / "extra.wav", voice(0.5, 100), 16_000)
    (root / "s0_sad.wav").write_bytes(b"")
    done = cpqa("corpus", "folder", root, "--run", tmp_path / "run")
    assert "11 clips of 13" in done.stderr and "left out: 1 × file is empty, e.g. folder/s0_sad.wav" in done.stderr


def test_score_prints_json_and_writes_it(tmp_path):
    rows = [
        {
            "id": f"q{i}",
            "clip_id": f"c{i}",
            "config": "baseline",
            "question": "How?",
            "prediction": text,
            "reference": "Angry.",
            "label": "angry",
            "type": "DE",
            "emotion": "angry",
        }
        for i, text in enumerate(["The speaker sounds angry.", "Sad.", "I cannot tell."])
    ]
    rows += [rows[0] | {"id": "q9", "label": "sad", "prediction": "She sounds sad."}]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = cpqa("score", tmp_path / "p.jsonl")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    scores = result["configs"]["baseline"]
    assert (scores["accuracy"], scores["label_coverage"], scores["llm_judge"]) == (0.5, 0.75, None)  # right: 1 and 4; "cannot tell" maps to nothing
    assert json.loads((tmp_path / "scores.json").read_text()) == result


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"splits": {"test_speaker": "a"}}, r"^recipe entry splits: there is no test_speaker; it takes by, test_share"),
        ({"clip_seconds": 10}, r"clip-seconds '10': give the shortest and the longest clip, e.g. 10-30, or none"),
        ({"clip_seconds": [10, 30]}, r"clip-seconds '\[10, 30\]': give the shortest"),
        ({"metadata": {"sources": ["humans"]}}, r"metadata source humans is unknown"),
        ({"llm": {"base_url": "http://x/v1", "model": "m", "api_key": "s"}}, r"no key stands in a recipe; set OPENAI_API_KEY"),
        ({"min_seconds": 5, "max_seconds": 1}, r"min_seconds \(5\) has to be below max_seconds \(1\)"),
        ({"runn": 1}, r"recipe entry runn: there is no such entry"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_place(tmp_path, entries, message):
    with pytest.raises(cp_paraling_qa.errors.RecipeError, match=message):
        Recipe.load({"run": tmp_path, **entries})


def test_a_recipe_may_name_one_thing_without_a_list(tmp_path):
    recipe = Recipe.load({"run": tmp_path, "splits": {"test_speakers": [9, "s1"]}, "metadata": {"fields": "emotion"}, "llm": False})
    assert recipe.splits.test_speakers == ("9", "s1") and recipe.metadata.fields == ("emotion",) and recipe.llm == "none"
    assert Recipe.load({"run": tmp_path, "llm": None}).llm != "none"
    assert Recipe.load(recipe) == recipe


def test_what_is_known_is_listed_whole():
    corpora, annotators = cpqa("corpora").stdout, cpqa("annotators").stdout
    for name in (
        "iemocap",
        "msp_podcast",
        "meld",
        "crema_d",
        "ravdess",
        "emodb",
        "tess",
        "voxceleb",
        "librispeech",
        "nsc",
        "mnsc",
        "cpqa_eval",
        "emobox",
        "lhotse",
        "folder",
        "hf",
    ):
        assert re.search(rf"^{name}\n    layout   \S.*\n    licence  \S.*; the audio may (not )?be redistributed", corpora, re.MULTILINE), name
    assert "\nravdess\n" in corpora and "cc-by-nc-sa-4.0" in corpora
    for kind in ("affect", "asr", "egemaps", "emotion", "prosody", "speaker", "speakers", "speech"):
        assert f"--with {kind}" in annotators


def test_annotators_join_and_leave_from_the_command_line(tmp_path):
    run = tmp_path / "run"
    assert cpqa("corpus", "folder", write_folder_corpus(tmp_path / "corpus", speakers=2), "--run", run).returncode == 0
    for arguments, expected in ((("--with", "prosody"), ["prosody"]), (("--with", "asr"), ["prosody", "asr"]), (("--without", "prosody"), ["asr"])):
        done = cpqa("annotate", run, *arguments)
        assert done.returncode == 0, done.stderr
        assert list(json.loads((run / "annotations/_stage.json").read_text())["config"]["annotators"]) == expected
    wrong = cpqa("annotate", run, "--with", "emotions")
    assert wrong.returncode == 2 and "unknown annotator 'emotions'" in wrong.stderr and "emotion" in wrong.stderr
    assert "--gpus 1" in cpqa("annotate", run, "--engine", "ray", "--device", "cuda").stderr
    assert cpqa("annotate", run, "--engine", "spark").returncode == 2 and cpqa("annotate", run, "--gpus", "1").returncode == 2


def test_condensing_and_undoing_it(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")  # happy has a valence of 0.9, angry and sad one of 0.1: all consistent
    lines = (root / "metadata.jsonl").read_text().splitlines()
    lines[0] = lines[0].replace('"valence": 0.1', '"valence": 0.8')  # but for one that is angry and pleased
    (root / "metadata.jsonl").write_text("\n".join(lines))
    run = tmp_path / "run"
    for arguments in (("corpus", "folder", root, "--run", run), ("annotate", run)):
        assert cpqa(*arguments).returncode == 0
    tried = cpqa("condense", run, "--dry-run")
    assert tried.returncode == 0 and not (run / "condensed").exists() and "valence" in tried.stderr, tried.stderr
    done = cpqa("condense", run, "--max-clips", "8")
    assert done.returncode == 0, done.stderr
    record = json.loads((run / "condensed/_stage.json").read_text())
    assert record["rows_in"] == 12 and record["rows_out"] == 8 and sum(record["dropped"].values()) == 4
    assert (run / "condense.png").stat().st_size > 5_000
    for arguments in (("generate", run, "--no-llm"), ("assemble", run)):
        done = cpqa(*arguments)
        assert done.returncode == 0, done.stderr
    card = (run / "dataset/README.md").read_text()
    assert "8 of 12 clips" in card and "2505.13338" in card
    assert cpqa("condense", run, "--off").returncode == 0 and not (run / "condensed").exists()
    stale = cpqa("assemble", run)
    assert stale.returncode == 2 and "cpqa generate" in stale.stderr
    whole = cpqa("build", "--corpus", "folder", "--root", root, "--run", tmp_path / "whole", "--no-llm", "--condense")
    assert whole.returncode == 0 and json.loads((tmp_path / "whole/condensed/_stage.json").read_text())["rows_out"] == 11, whole.stderr


def test_options_of_corpora_are_checked(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    assert "OURS=THEIRS" in cpqa("corpus", "hf", root, "--run", tmp_path / "run", "--column", "text").stderr
    refused = cpqa("corpus", "folder", root, "--run", tmp_path / "run", "--column", "transcript=text")
    assert refused.returncode == 2 and "does not take" in refused.stderr
    assert "clip-seconds" in cpqa("corpus", "folder", root, "--run", tmp_path / "run", "--clip-seconds", "20-30").stderr
    unknown = cpqa("corpus", "iemocap2", root, "--run", tmp_path / "run")
    assert unknown.returncode == 2 and "msp_podcast" in unknown.stderr
