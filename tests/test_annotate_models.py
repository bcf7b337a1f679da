"""Annotators by transformers checkpoint: what is loaded, how sounds are heard together, and what is said of them."""

import json
import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from checkpoint_fixtures import EMOTIONS, classifier, clips, labelled, rewrite, save, sounds, waveform_extractor
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from cp_paraling_qa.annotate import AnnotatorOptions, annotator
from cp_paraling_qa.annotate.batching import Pace, answer, hear
from cp_paraling_qa.annotate.checkpoints import checkpoint
from cp_paraling_qa.annotate.emotion import EmotionClassifier, emotion_labels
from cp_paraling_qa.errors import LabelError, RecipeError
from cp_paraling_qa.labels import known_emotion

WHOLE = AnnotatorOptions(window=None)
KINDS = {
    "wav2vec2:layer": "masked",
    "wav2vec2:group": "equal",
    "hubert:layer": "masked",
    "hubert:group": "equal",
    "wavlm:layer": "masked",
    "wavlm:group": "equal",
    "unispeech-sat:layer": "masked",
    "wav2vec2-bert": "masked",
    "data2vec-audio": "equal",
    "sew": "equal",
    "wav2vec2-conformer": "equal",
    "whisper": "fixed",
    "ast": "fixed",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One checkpoint of each kind, made when first asked for."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = save(*classifier(kind), tmp_path_factory.mktemp("models") / kind.replace(":", "-"))
        return made[kind]

    return folder


@pytest.fixture
def copy(folders, tmp_path):
    """A wav2vec2 checkpoint of one's own, to break."""
    import shutil

    return shutil.copytree(folders("wav2vec2:layer"), tmp_path / "broken")


@pytest.mark.parametrize(("kind", "way"), KINDS.items())
def test_what_is_said_of_a_clip_does_not_depend_on_its_neighbours(folders, kind, way):
    """Lengths near and far, odd and even, two of them equal; against each alone, and against transformers' own classes fed with one clip."""
    heard = sounds([1.0, 1.003, 0.95, 1.0, 0.6, 1.111])
    made = EmotionClassifier(str(folders(kind)), options=WHOLE)
    made.setup()
    assert made._encoder.batching == way
    forced = Pace((1e6,))
    forced.chosen = 1e6  # as many together as may be
    together = hear(made._encoder, heard, forced)
    alone = np.concatenate([answer(made._encoder, [samples]) for samples in heard])
    assert np.abs(together - alone).max() < 1e-4 * max(1, np.abs(alone).max())
    model = AutoModelForAudioClassification.from_pretrained(folders(kind)).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folders(kind))
    for samples, row in zip(heard[:3], together, strict=False):
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")  # WavLM's own doing
            stock = model(**extractor(samples, sampling_rate=16_000, return_tensors="pt")).logits[0].numpy()
        assert np.abs(stock - row).max() < 1e-4 * max(1, np.abs(alone).max())
    assert np.ptp(alone, axis=0).max() > 1e-3  # the clips are told apart, so that equality means something


def test_masked_groups_are_of_like_length_and_equal_ones_of_one(folders):
    seen = []
    made = EmotionClassifier(str(folders("wav2vec2:layer")), options=WHOLE)
    made.setup()
    encoder = made._encoder._replace(
        forward=lambda batch, mask: (seen.append([len(batch)] if mask is None else mask.sum(1).tolist()), torch.zeros(len(batch), 2))[1]
    )
    pace = Pace((30.0,))
    pace.chosen = 30.0
    hear(encoder, sounds([1.0, 2.0, 1.1, 1.9, 1.05, 0.3]), pace)
    assert seen == [[32_000, 30_400], [17_600, 16_800, 16_000], [1]]  # 0.85 × 2 s is longer than 1.1 s; 0.85 × 1.1 s is 0.935 s
    seen.clear()
    encoder = encoder._replace(batching="equal", forward=lambda batch, mask: (seen.append(len(batch)), torch.zeros(len(batch), 2))[1])
    hear(encoder, sounds([1.0, 2.0, 1.0, 1.9]), pace)
    assert seen == [1, 1, 2]


def test_the_pace_is_what_the_clock_says():
    pace = Pace((8.0, 16.0))
    for spike in (5.0, 0.0, 0.0, 9.0):  # other programs' work, on top of 0.8 and 0.6 of what one at a time takes
        pace.learn(8.0, 0.8 + spike, 1.0)
        pace.learn(16.0, 0.6 + spike, 1.0 + spike)
    assert pace.chosen == 16.0
    pace = Pace((8.0, 16.0))
    for _ in range(4):  # 0.96 is no gain that a clock can be trusted with
        pace.learn(8.0, 0.96, 1.0)
        pace.learn(16.0, 1.1, 1.0)
    assert pace.chosen == 0.0
    pace = Pace((8.0, 16.0, 32.0))
    assert pace.trial(lambda budget: True) == 8.0 and pace.trial(lambda budget: budget > 8) == 16.0 and pace.trial(lambda budget: False) is None
    pace.learn(8.0, 0.9, 1.0)
    pace.learn(16.0, 3.0, 1.0)
    pace.learn(16.0, 2.0, 1.0)  # hopeless: neither it nor a larger one is tried again
    assert pace.chosen is None and list(pace.costs) == [8.0]


def test_the_trial_hears_every_sound_once_and_memory_that_runs_out_is_survived(folders):
    made = EmotionClassifier(str(folders("wav2vec2:layer")), options=WHOLE)
    made.setup()
    heard = sounds([1.0 + 0.001 * n for n in range(24)])
    alone = np.concatenate([answer(made._encoder, [samples]) for samples in heard])
    counted = []

    def forward(batch, mask):
        counted.append(len(batch))
        if len(batch) > 3:
            counted.pop()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
        return made._encoder.forward(batch, mask)

    pace = Pace((3.0, 6.0, 15.0))
    found = hear(made._encoder._replace(forward=forward), heard, pace)
    assert np.abs(found - alone).max() < 1e-4 and sum(counted) == 24
    assert set(pace.costs) <= {3.0}  # 6 s are five sounds: too many


def test_windows_cover_the_clip_and_classes_are_stated_from_five_percent(folders):
    made = EmotionClassifier(str(folders("wav2vec2:layer")))
    heard = sounds([9.0, 3.2])
    rows = made.annotate(clips(heard), heard, 16_000)
    spans = sorted({(o["start"], o["end"]) for o in rows[0]["opinions"]})
    assert spans == [(0.0, 3.0), (3.0, 5.0), (5.0, 7.0), (7.0, 9.0)]  # windows of 4 s every 2 s, the last flush with the end; see windows()
    assert {(o["start"], o["end"]) for o in rows[1]["opinions"]} == {(0.0, 3.2)}
    logits = answer(made._encoder, [heard[0][2 * 16_000 : 6 * 16_000]])[0]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    stated = {o["value"]: o["probability"] for o in rows[0]["opinions"] if o["start"] == 3.0}
    assert stated == {EMOTIONS[n]: pytest.approx(p, abs=1e-4) for n, p in enumerate(expected) if p >= 0.05}
    first = rows[0]["opinions"][0]
    assert (first["field"], first["source"], first["rater"], len(first["revision"])) == ("emotion", "model", "wav2vec2-layer", 16)


def test_labels_that_mean_the_same_are_added_and_the_likeliest_is_always_stated(copy):
    many = {n: name for n, name in enumerate(["ang", "Anger", *[f"odd{n}" for n in range(60)], "sad"])}

    def widen(weights):
        return weights | {"classifier.weight": torch.randn(63, 16) * 0.01, "classifier.bias": torch.arange(63) % 2 * 0.01}

    rewrite(copy, widen, **json.loads(json.dumps(labelled(many))))
    made = EmotionClassifier(str(copy), labels={"Anger": "angry"})
    heard = sounds([1.0])
    opinions = made.annotate(clips(heard), heard, 16_000)[0]["opinions"]
    assert [o["value"] for o in opinions] == ["angry"]  # two of 63 classes, each near 1/63: below 0.05, but more than any other
    assert opinions[0]["probability"] == pytest.approx(2 / 63, abs=0.01)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["neu", "hap", "ang", "sad"], ["neutral", "happy", "angry", "sad"]),
        (["ang", "exc", "fru", "fea", "dis", "sur", "oth", "xxx"], ["angry", "excited", "frustrated", "fearful", "disgust", "surprised", "other", "unknown"]),
        (["生气/angry", "开心/happy", "<unk>"], ["angry", "happy", "unknown"]),
        (["Anger", "Contempt", "Neutral"], ["anger", "contempt", "neutral"]),
        (["female_angry", "male_angry", "female_sad"], ["angry", "angry", "sad"]),
        (["01-neutral", "05-angry"], ["neutral", "angry"]),
        (["angry", "sad", "Sarcastic"], ["angry", "sad", "sarcastic"]),
    ],
)
def test_labels_become_plain_english(names, words):
    assert emotion_labels("some/model", names) == words
    assert all(known_emotion(word) for word in words if word not in ("sarcastic",))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["LABEL_0", "LABEL_1"], "says nothing.*id2label"),
        (["0", "1", "2"], "says nothing"),
        (["female", "male"], "no emotion model; use it as speaker="),
        (["yes", "no", "up", "down"], "fewer than two of them are emotions"),
        (["arousal", "dominance", "valence"], "fewer than two"),
    ],
)
def test_labels_of_the_wrong_kind_are_refused(names, message):
    with pytest.raises(LabelError, match=message):
        emotion_labels("some/model", names)


def test_a_label_map_gives_numbers_a_meaning(copy):
    rewrite(copy, dict, id2label={str(n): f"LABEL_{n}" for n in range(4)})
    with pytest.raises(LabelError, match="broken: its config calls its classes LABEL_0, LABEL_1"):
        EmotionClassifier(str(copy))
    assert EmotionClassifier(str(copy), labels={f"LABEL_{n}": name for n, name in EMOTIONS.items()}).labels == list(EMOTIONS.values())


def drop(*names):
    return lambda weights: {name: weight for name, weight in weights.items() if name not in names}


def old_weight_norm(weights):
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    return {re.sub("|".join(map(re.escape, old)), lambda m: old[m[0]], name): weight for name, weight in weights.items()}


@pytest.mark.parametrize(
    "change",
    [drop("wav2vec2.masked_spec_embed"), old_weight_norm, lambda weights: weights | {"wav2vec2.encoder.position_ids": torch.arange(3)}],
    ids=["without masked_spec_embed", "old weight norm", "position ids"],
)
def test_harmless_differences_are_no_alarm(copy, change):
    heard = sounds([1.0])
    before = EmotionClassifier(str(copy)).annotate(clips(heard), heard, 16_000)[0]["opinions"]
    rewrite(copy, change)
    after = EmotionClassifier(str(copy)).annotate(clips(heard), heard, 16_000)[0]["opinions"]
    strip = [[{k: v for k, v in o.items() if k != "revision"} for o in opinions] for opinions in (before, after)]
    assert strip[0] == strip[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("classifier.weight", "projector.bias"), r"broken: its weights do not fit .*2 missing \(classifier.weight, projector.bias\)"),
        (drop("wav2vec2.encoder.layers.1.attention.k_proj.weight"), "1 missing"),
        (lambda weights: weights | {"classifier.dense.weight": torch.zeros(2, 2)}, r"1 unexpected \(classifier.dense.weight\)"),
        (lambda weights: weights | {"classifier.weight": torch.zeros(7, 16)}, r"1 of another shape \(classifier.weight\)"),
        (lambda weights: weights | {"classifier.weight": torch.zeros(4, 16), "classifier.bias": torch.zeros(4)}, "each of its 4 classes the same probability"),
        (lambda weights: weights | {"classifier.weight": torch.zeros(4, 16)}, "two different sounds with the same numbers"),
        (lambda weights: weights | {"projector.bias": torch.full((16,), float("nan"))}, "answers nan"),
    ],
    ids=["head missing", "layer missing", "unexpected", "mismatched", "uniform", "deaf", "nan"],
)
def test_weights_that_do_not_fit_are_an_error(copy, change, message):
    rewrite(copy, change)
    with pytest.raises(RecipeError, match=message):
        EmotionClassifier(str(copy)).setup()


def test_another_sampling_rate_is_an_error(copy):
    waveform_extractor(sampling_rate=8_000).save_pretrained(copy)
    with pytest.raises(RecipeError, match="hears audio at 8000 Hz"):
        EmotionClassifier(str(copy)).setup()
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(RecipeError, match="no preprocessor_config.json"):
        EmotionClassifier(str(copy)).setup()


def test_pickled_weights_are_loaded_as_weights_alone(copy):
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    EmotionClassifier(str(copy)).setup()

    class Evil:
        def __reduce__(self):
            return print, ("this ran",)

    torch.save(weights | {"evil": Evil()}, copy / "pytorch_model.bin")
    with pytest.raises(RecipeError, match="could run any code"):
        EmotionClassifier(str(copy)).setup()


def test_each_clip_is_normalised_by_itself(folders):
    """A loud neighbour changes nothing, nor does a clip's own gain: the extractor has do_normalize."""
    made = EmotionClassifier(str(folders("wav2vec2:layer")))
    quiet, loud = sounds([1.0, 1.0])
    first = made.annotate(clips([quiet, loud]), [quiet, loud], 16_000)[0]["opinions"]
    second = made.annotate(clips([quiet, loud]), [0.5 * quiet, 20 * loud], 16_000)[0]["opinions"]
    assert [o["value"] for o in first] == [o["value"] for o in second]
    assert [o["probability"] for o in first] == pytest.approx([o["probability"] for o in second], abs=2e-3)


def test_whisper_and_ast_never_cut_in_silence(folders):
    made = EmotionClassifier(str(folders("ast")), options=WHOLE)  # hears 2.56 s
    heard = sounds([6.0])
    opinions = made.annotate(clips(heard), heard, 16_000)[0]["opinions"]
    assert max(o["end"] for o in opinions) == 6.0 and len({o["start"] for o in opinions}) == 3  # 6 s in windows of 2.56 s: 3
    with pytest.raises(RecipeError, match="hears 2.56 s at once, and would cut windows of 4 s"):
        EmotionClassifier(str(folders("ast"))).setup()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_an_option_and_part_of_the_config(folders, dtype):
    heard = sounds([1.0, 1.1])
    exact = EmotionClassifier(str(folders("wav2vec2:layer"))).annotate(clips(heard), heard, 16_000)
    made = EmotionClassifier(str(folders("wav2vec2:layer")), options=AnnotatorOptions(dtype=dtype))
    half = made.annotate(clips(heard), heard, 16_000)
    assert made.config["dtype"] == dtype
    raw = answer(made._encoder, heard[:1])
    assert (raw == torch.from_numpy(raw).to(getattr(torch, dtype)).float().numpy()).all()  # it was heard in half precision: the answer fits into it
    for one, other in zip(exact, half, strict=True):  # bfloat16 has 8 bits of precision: a logit of 4 is off by a hundredth in each layer
        p, q = ({o["value"]: o["probability"] for o in row["opinions"]} for row in (one, other))
        assert max(abs(p.get(name, 0) - q.get(name, 0)) for name in p | q) < 0.08


def test_a_folder_is_known_by_its_content_and_named_by_its_base_name(copy):
    made = EmotionClassifier(str(copy))
    assert made.name == "emotion-broken" and made.config["model"] == "broken" and str(copy.parent) not in json.dumps(made.config)
    assert made.config["labels"] == {name: name for name in EMOTIONS.values()}
    assert (made.config["window"], made.config["hop"]) == (4.0, 2.0)
    before = made.config["revision"]
    (copy / "README.md").write_text("---\nlicense: mit\n---\n# A card is no part of what shapes the answers\n")
    assert EmotionClassifier(str(copy)).config["revision"] == before
    made.setup()
    assert made.license == "mit"
    rewrite(copy, lambda weights: weights | {"classifier.bias": weights["classifier.bias"] + 0.5})
    assert EmotionClassifier(str(copy)).config["revision"] != before
    moved = copy.rename(copy.parent / "elsewhere")
    assert checkpoint(str(moved)).rater == "elsewhere"
    with pytest.raises(RecipeError, match="is a folder whose content is"):
        EmotionClassifier(str(moved), "0" * 40)


def test_a_hub_id_is_resolved_to_a_commit_from_the_cache(folders, tmp_path, monkeypatch):
    """Offline, as these tests are, the cache says which commit `main` was. The layout is huggingface_hub's own."""
    import shutil

    from huggingface_hub import constants

    commit = "5e" * 20
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--emotions"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(folders("wav2vec2:layer"), repository / "snapshots" / commit)
    assert checkpoint("someone/emotions") == ("someone/emotions", commit, "someone/emotions", False)
    assert checkpoint("someone/emotions", commit).revision == commit
    made = annotator("emotion=someone/emotions")
    assert made.name == "emotion-someone-emotions" and made.config["revision"] == commit
    with pytest.raises(RecipeError, match="someone/else: there is no such folder, .*the cache does not hold it"):
        checkpoint("someone/else")


def test_missing_models_are_named():
    with pytest.raises(RecipeError, match="/nowhere/model: there is no such folder, and it is no Hub id"):
        EmotionClassifier("/nowhere/model")


def test_a_folder_without_weights_or_settings(tmp_path):
    with pytest.raises(RecipeError, match="neither model.safetensors nor pytorch_model.bin"):
        EmotionClassifier(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(RecipeError, match="no config.json"):
        EmotionClassifier(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "id2label": {"0": "angry", "1": "sad"}}))
    with pytest.raises(RecipeError, match="can be loaded from it"):
        EmotionClassifier(str(tmp_path)).setup()


def test_an_answer_that_is_no_number_names_model_and_clip(folders):
    made = EmotionClassifier(str(folders("wav2vec2:layer")))
    heard = sounds([1.0, 1.0])
    heard[1][100] = np.inf
    with np.errstate(all="ignore"), pytest.raises(LabelError, match=r"wav2vec2-layer answers nan to clip test/1.wav \(0{15}1\)"):
        made.annotate(clips(heard), heard, 16_000)
    with pytest.raises(RecipeError, match="clips are heard at"):
        made.annotate(clips(heard), heard, 8_000)


def test_it_is_made_without_torch_and_travels_before_setup(folders):
    made = EmotionClassifier(str(folders("wav2vec2:layer")))
    heard = sounds([1.0])
    there = pickle.loads(pickle.dumps(made))
    assert there.annotate(clips(heard), heard, 16_000) == made.annotate(clips(heard), heard, 16_000)
    assert not made.wants({"duration": 0.05}) and made.wants({"duration": 0.5}) and made.annotate([], [], 16_000) == []
    code = "import sys; from cp_paraling_qa.annotate import annotator; annotator(sys.argv[1]); print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, f"emotion={folders('wav2vec2:layer')}"], capture_output=True, text=True, env=os.environ)
    assert done.stdout.split() == ["False", "False"], done.stdout + done.stderr
