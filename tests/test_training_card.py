"""The model card, and what is pushed to the Hub: against a hub on loopback."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import yaml
from datasets import IterableDataset
from fake_hub import FakeHub
from training_fixtures import tiny_model, tone, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import RecipeError, TrainingError
from cp_paraling_qa.training.evaluating import evaluation
from cp_paraling_qa.training.evaluating.held_out import HeldOut
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.parts import PartCount
from cp_paraling_qa.training.predict import predict
from cp_paraling_qa.training.publishing.card import card_text, plain
from cp_paraling_qa.training.publishing.card_facts import DataGroup, RunFacts, _evaluations, facts_of, shown
from cp_paraling_qa.training.publishing.hub import Hub, hub_of, published
from cp_paraling_qa.training.sft import main, train

TOKEN = "hf_thisIsNoRealToken0123456789"


def facts(**more) -> RunFacts:
    held = HeldOut(range(40), "split validation", 90, labelled=True)
    scores = {"label_accuracy": 0.625, "balanced_accuracy": 0.6, "f1_macro": 0.58, "f1_weighted": 0.61, "label_coverage": 0.95, "n_labelled": 40.0, "n": 40.0}
    scores |= {"shuffled_label_accuracy": 0.25, "shuffled_label_coverage": 0.9, "listens": 0.375, "listens_error": 0.11, "step": 200.0, "loss": 1.25}
    base = RunFacts(
        name="my-model",
        base="Qwen/Qwen2-Audio-7B-Instruct",
        base_on_hub=True,
        base_path="Qwen/Qwen2-Audio-7B-Instruct",
        family=FAMILIES["qwen2_audio"],
        train_parts="lora",
        counts={"audio tower": PartCount(0, 1000), "language model": PartCount(20, 5000)},
        settings={"learning_rate": "0.0001"},
        data=[DataGroup("me/data", "implicit", "", "cpqa", 1200, 300)],
        datasets=["me/data"],
        licenses={"cc-by-4.0": 1000, "cc-by-nc-sa-4.0": 150, "": 50},
        languages=["en"],
        steps=300,
        planned=300,
        losses=[(10, 3.5), (300, 0.75)],
        evaluations=[scores, scores | {"step": 300.0, "label_accuracy": 0.5}],
        held_out=held,
        best_by="label_accuracy",
        best_step=200,
    )
    return replace(base, **more)


def yaml_of(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


# The text


def test_the_card_says_what_was_measured_with_its_coverage() -> None:
    card = card_text(facts())
    for line in (
        "| label accuracy | 0.625 | 40 | 95.0% |",
        "| macro F1 | 0.580 | 40 | 95.0% |",
        "| label accuracy with other clips (control) | 0.250 | 40 | 90.0% |",
        "| loss, nats an answer token | 1.2500 | 40 | – |",
        "0.375 ± 0.110",
        "Step 200, on 40 of 90 labelled rows of split validation.",
        "Of 2 evaluated steps this one was kept for its label_accuracy",
        "3.5000 at step 10, 0.7500 at step 300",
        "| me/data | implicit | – | cpqa | 1,200 | 300 |",
        "cc-by-4.0 (1,000 rows), cc-by-nc-sa-4.0 (150 rows), not stated (50 rows)",
        "**Non-commercial data:** rows under cc-by-nc-sa-4.0 were",
        "| in all | 20 | 6,000 |",
        "2508.07273",
    ):
        assert line in card, line
    assert "0.5000" not in card and "LLM judge" not in card  # the other step, and what was not asked


def test_a_run_that_was_not_evaluated_has_no_scores() -> None:
    card = card_text(facts(evaluations=[], best_by=None, best_step=None, held_out=None, losses=[], licenses={}))
    assert "The kept weights were not evaluated during training." in card
    assert not re.search(r"accuracy|F1|judge \||listens|Training loss|Licences", card)


def test_the_last_step_is_not_given_another_steps_scores() -> None:
    card = card_text(facts(steps=310, best_by=None, best_step=None))
    assert "not evaluated" in card and "0.625" not in card
    last = card_text(facts(best_by=None, best_step=None))
    assert "| label accuracy | 0.500 |" in last and "no step was chosen by these scores" in last
    on_the_way = card_text(facts(steps=200, checkpoint=True))
    assert "after step 200 of 300" in on_the_way and "0.625" in on_the_way and "was kept" not in on_the_way


def test_the_judge_stands_with_its_coverage() -> None:
    entry = facts().evaluations[0] | {"judge": 61.25, "judge_coverage": 0.9, "judge_n_scored": 36.0}
    card = card_text(facts(evaluations=[entry], judge="judge-2026-01"))
    assert "| LLM judge | 61.2 | 36 | 90.0% |" in card and "`judge-2026-01`" in card


def test_scores_on_the_test_split_carry_their_warning() -> None:
    held = HeldOut(range(4), "split test", 4, warnings=("these rows are of the test split: what is chosen by them can no longer be tested on it",))
    assert "**Note:** these rows are of the test split" in card_text(facts(held_out=held))


def test_metadata_is_what_the_hub_takes() -> None:
    from huggingface_hub import ModelCard

    data = yaml_of(card_text(facts()))
    assert (data["base_model"], data["base_model_relation"], data["library_name"], data["datasets"]) == (
        "Qwen/Qwen2-Audio-7B-Instruct",
        "adapter",
        "peft",
        ["me/data"],
    )
    assert "license" not in data and data["language"] == ["en"] and data["pipeline_tag"] == "audio-text-to-text" and "lora" in data["tags"]
    read = ModelCard(card_text(facts()))
    assert read.data.base_model == data["base_model"] and read.data.library_name == "peft"
    local = yaml_of(card_text(facts(base="tiny-model", base_on_hub=False, datasets=[], languages=[], train_parts="full")))
    assert {"base_model", "datasets", "language"} & set(local) == set() and local["library_name"] == "transformers"


def test_a_full_model_is_loaded_from_the_folder() -> None:
    card = card_text(facts(train_parts="full", repo="me/my-model"))
    assert "PeftModel" not in card and "from_pretrained(folder" in card and 'folder = "me/my-model"' in card and "--adapter" not in card


def test_families_that_differ_get_our_own_way_only() -> None:
    class Other(type(FAMILIES["qwen2_audio"])):
        def features(self, processor, clips):
            raise NotImplementedError

    assert plain(FAMILIES["qwen2_audio"]) and not plain(Other())
    card = card_text(facts(family=Other()))
    assert "cp_paraling_qa.training.predict" in card and "processor(text=prompt" not in card


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("~/d/rows", "rows"),
        ("C:\\Users\\me\\rows", "rows"),
        ("./dataset/", "dataset"),
        ("a/b/c", "c"),
        (None, "–"),
        ("cp_paraling_qa", "cp_paraling_qa"),
        ("cpqa@/x/y", "cpqa@y"),
    ],
)
def test_paths_are_cut_to_their_last_part(name, expected) -> None:
    assert shown(name) == expected


def test_a_step_that_ran_twice_counts_as_it_came_last() -> None:
    history = [{"step": 2, "eval_loss": 3.0}, {"step": 2, "eval_n": 4}, {"step": 2, "loss": 1.0}, {"step": 4, "eval_loss": 2.0}, {"step": 2, "eval_loss": 2.5}]
    assert _evaluations(history) == [{"loss": 2.5, "n": 4.0, "step": 2.0}, {"loss": 2.0, "step": 4.0}]


# A run's card


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run of two steps with an evaluation, on clips that say their licence, its base model inside its folder."""
    out = tmp_path_factory.mktemp("card") / "my-run"
    rows = [row | {"license": "cc-by-nc-4.0", "language": "en"} for row in tone_rows(8)]
    data = write_dataset(out.parent / "data", {"baseline": {"train": rows, "validation": tone_rows(4, first=30)}})
    options = ["--dataset_name", str(data), "--dataset_config", "baseline", "--output_dir", str(out), "--max_steps", "2", "--train_parts", "lora+projector"]
    train(*parse([*options, "--eval_rows", "4", "--eval_every", "2", "--eval_max_new_tokens", "4", "--logging_steps", "1"]), say=lambda line: None)
    return out


def test_a_runs_card_holds_what_its_log_holds(ran) -> None:
    card = (ran / "README.md").read_text()
    history = json.loads(next(ran.glob("checkpoint-2/trainer_state.json")).read_text())["log_history"]
    scores = {key: value for entry in history for key, value in entry.items() if entry["step"] == 2 and key.startswith("eval_")}
    assert f"| label accuracy | {scores['eval_label_accuracy']:.3f} | 4 | {scores['eval_label_coverage']:.1%} |" in card
    assert f"{scores['eval_listens']:.3f}" in card and f"| {scores['eval_loss']:.4f} |" in card and "4 of 8 labelled rows of split validation" in card
    assert "| data | baseline | – | pqa_template | 16 | 8 |" in card and "cc-by-nc-4.0 (16 rows)" in card and "**Non-commercial data:**" in card
    assert "`lora_r` | `16`" in card and "# my-run" in card and "after step 2 of 2" in card


def test_no_path_of_this_machine_and_no_key(ran) -> None:
    for card in (ran / "README.md", ran / "checkpoint-2" / "README.md"):
        text = card.read_text()
        assert str(ran.parent) not in text and str(Path.home()) not in text and "/tmp" not in text and "base_model:" not in text


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # read by PEFT 0.21
@pytest.mark.parametrize("number", [0, 1])
def test_the_cards_programs_work_and_answer_alike(ran, monkeypatch, capsys, number) -> None:
    """Run as they stand in the card, in the card's folder: the answer is that of the adapter on its base."""
    program = re.findall(r"```python\n(.*?)```", (ran / "README.md").read_text(), flags=re.DOTALL)[number]
    samples = tone(400.0, 0.8)
    soundfile.write(ran / "clip.wav", samples, 16_000, subtype="FLOAT")
    monkeypatch.chdir(ran)
    exec(compile(program, "card", "exec"), {})
    said = capsys.readouterr().out.strip()
    row = {"id": "1", "audio": {"path": str(ran / "clip.wav"), "bytes": None}, "prompt": "How does the speaker feel?"}
    model = load_model(ran / "tiny-model", adapter=ran)
    assert said == predict(model, load_processor(ran / "tiny-model"), [row])[0].strip()


def test_a_stream_is_not_counted() -> None:
    stream = IterableDataset.from_generator(lambda: iter(()))  # knows no columns until it is read
    trainer = SimpleNamespace(
        args=SimpleNamespace(output_dir="runs/x", world_size=1, max_steps=5, load_best_model_at_end=False),
        state=SimpleNamespace(global_step=0, max_steps=5, log_history=[], best_global_step=None, best_model_checkpoint=None),
        train_dataset=stream,
        model=load_model(tiny_model()),
    )
    ours = SimpleNamespace(train_parts="lora", best_by=None, judge_model=None)
    found = facts_of(trainer, base="Org/Model", family=FAMILIES["qwen2_audio"], cpqa_args=ours, model_args=SimpleNamespace(), dataset_name="me/data")
    assert found.data == [] and found.datasets == ["me/data"] and "were streamed; they were not counted" in card_text(found)


def test_the_trainers_own_choice_on_the_test_split_is_told(tmp_path) -> None:
    """transformers' flags instead of ours: the loss on the test split chooses, and log and card say so."""
    said: list[str] = []
    flags = ["--eval_strategy", "steps", "--eval_steps", "1", "--save_steps", "1", "--load_best_model_at_end", "true", "--push_to_hub", "false"]
    train(*parse(options(tmp_path, *flags)), say=said.append)
    card = (tmp_path / "README.md").read_text()
    assert any("note: these rows are of the test split" in line for line in said)
    assert "**Note:** these rows are of the test split" in card and "kept for its loss on these very rows" in card and "16 of 16 rows of split test" in card


# The Hub


@pytest.fixture
def online(monkeypatch):
    """As a user's machine is: no token, not offline."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.setenv(name, "")  # so that it is put back as it was, whatever a run sets
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return monkeypatch


def options(out: Path, *more: str) -> list[str]:
    plain_ones = [
        "--model_name_or_path",
        str(tiny_model()),
        "--dataset_name",
        str(tones()),
        "--dataset_config",
        "baseline",
        "--output_dir",
        str(out),
        "--push_to_hub",
        "true",
    ]
    return [
        *plain_ones,
        "--max_steps",
        "2",
        "--logging_steps",
        "1",
        "--per_device_train_batch_size",
        "4",
        "--hub_model_id",
        "me/feels",
        "--gradient_checkpointing",
        "false",
        *more,
    ]


def test_without_a_token_nothing_is_trained(tmp_path, online, capsys) -> None:
    assert main(options(tmp_path)) == 2
    assert "push_to_hub needs a token with write permission: set HF_TOKEN" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_wrong_token_is_found_before_training_and_not_shown(tmp_path, online, capsys) -> None:
    with FakeHub(TOKEN) as hub:
        online.setenv("HF_ENDPOINT", hub.url)
        online.setenv("HF_TOKEN", "hf_wrongwrongwrong")
        assert main(options(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "me/feels cannot be made or written to" in error and "401" in error and "hf_wrong" not in error and not list(tmp_path.iterdir())


def test_offline_and_strategies_are_refused(tmp_path, online) -> None:
    online.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(RecipeError, match="pickled optimiser states"):
        hub_of(parse(options(tmp_path, "--hub_strategy", "checkpoint"))[1])
    online.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TrainingError, match="HF_HUB_OFFLINE is set"):
        hub_of(parse(options(tmp_path))[1])
    assert hub_of(parse(["--output_dir", str(tmp_path)])[1]) is None


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub 2.4 uploads that way
def test_a_push_holds_adapter_processor_and_card_alone(tmp_path, online) -> None:
    """Pushed at both checkpoints and at the end, to a branch; what else lies in the folder stays; the token is in no file and in no upload."""
    (tmp_path / "predictions.jsonl").write_text("mine")
    with FakeHub(TOKEN) as hub:
        online.setenv("HF_ENDPOINT", hub.url)
        train(
            *parse(options(tmp_path, "--hub_token", TOKEN, "--save_steps", "1", "--hub_revision", "try", "--hub_private_repo", "true")), say=lambda line: None
        )
        files = hub.files["me/feels"]
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "processor_config.json"} <= set(files)
    assert all(published(name) for name in files) and "training_args.bin" not in files and "predictions.jsonl" not in files
    assert (
        files["adapter_model.safetensors"] == (tmp_path / "adapter_model.safetensors").read_bytes()
        and files["README.md"] == (tmp_path / "README.md").read_bytes()
    )
    assert hub.commits[-1] == ("me/feels", "try", "Fine-tuned with cp-paraling-qa") and ("me/feels", "try", "Step 1") in hub.commits
    assert hub.branches == [("me/feels", "try")] and hub.private == {"me/feels": True}
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == tiny_model().name  # not the path to it
    assert 'folder = "me/feels"' in files["README.md"].decode() and str(tiny_model().parent) not in files["README.md"].decode()
    assert not any(TOKEN.encode() in body for body in hub.bodies)
    assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_push_that_fails_keeps_the_run(tmp_path, online) -> None:
    said: list[str] = []
    with FakeHub(TOKEN, fail_commits=True) as hub:
        online.setenv("HF_ENDPOINT", hub.url)
        online.setenv("HF_TOKEN", TOKEN)
        with pytest.raises(TrainingError, match=r"pushing to me/feels failed .*run the same command again"):
            train(*parse(options(tmp_path, "--hub_strategy", "end")), say=said.append)
    assert (tmp_path / "adapter_model.safetensors").is_file() and (tmp_path / "README.md").is_file()


def test_the_hub_does_not_show_its_client() -> None:
    assert "api" not in repr(Hub("me/x", False, None, api=object()))


def test_evaluation_is_not_pushed() -> None:
    assert not published(f"{evaluation.FOLDER}/step-000002.jsonl") and not published("optimizer.pt") and published("chat_template.jinja")
