"""Arousal, valence and dominance, gender and age: heads that transformers does not know, against a second implementation written out here."""

import json

import numpy as np
import pytest
import torch
from checkpoint_fixtures import BODY, CONV, LAYER, classifier, clips, headed, loud, rewrite, save, sounds, waveform_extractor
from safetensors.torch import load_file, save_file

from cp_paraling_qa.annotate import AnnotatorOptions
from cp_paraling_qa.annotate.affect import Affect, axes_of
from cp_paraling_qa.annotate.emotion import EmotionClassifier
from cp_paraling_qa.annotate.speaker import Speaker, voices_of
from cp_paraling_qa.errors import LabelError, RecipeError

ADV = {0: "arousal", 1: "dominance", 2: "valence"}
WHOLE = AnnotatorOptions(window=None)
LENGTHS = [1.0, 1.07, 0.93, 1.0, 0.5]


def dense_head(weights, name, body, samples):
    """audEERING's head in numpy: mean over time of the encoder's frames, dense, tanh, out_proj; the sound scaled to mean 0 and variance 1."""
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        frames = body(torch.from_numpy(scaled)[None]).last_hidden_state[0].numpy()
    numbers = {part: weight.numpy() for part, weight in weights.items() if part.startswith(name)}
    hidden = np.tanh(numbers[f"{name}.dense.weight"] @ frames.mean(0) + numbers[f"{name}.dense.bias"])
    return numbers[f"{name}.out_proj.weight"] @ hidden + numbers[f"{name}.out_proj.bias"]


def scores(row):
    return {o["field"]: o["score"] for o in row["opinions"]}


@pytest.mark.parametrize("order", [["arousal", "dominance", "valence"], ["valence", "arousal", "dominance"], ["Dominance", "Valence", "Arousal"]])
def test_axes_are_told_by_name_and_equal_the_reference(tmp_path, order):
    folder, body, weights = headed(tmp_path / "msp-dim", {"classifier": 3}, dict(enumerate(order)))
    heard = sounds(LENGTHS)
    rows = Affect(str(folder), options=WHOLE).annotate(clips(heard), heard, 16_000)
    for samples, row in zip(heard, rows, strict=True):
        expected = dict(zip([name.lower() for name in order], dense_head(weights, "classifier", body, samples), strict=True))
        assert scores(row) == pytest.approx({axis: min(1, max(0, value)) for axis, value in expected.items()}, abs=2e-4)
    assert len({json.dumps(scores(row)) for row in rows}) == len(rows)  # each clip has numbers of its own


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (["arousal", "dominance", "valence"], ["arousal", "dominance", "valence"]),  # audEERING msp-dim, 3loi Multi-Attributes
        (["arousal", "valence", "dominance"], ["arousal", "valence", "dominance"]),  # MSP-Podcast's tables, vox-profile
        (["valence", "arousal", "dominance"], ["valence", "arousal", "dominance"]),  # IEMOCAP
        (["EmoAct", "EmoVal", "EmoDom"], ["arousal", "valence", "dominance"]),
        (["Valence"], ["valence"]),  # single-axis checkpoints
    ],
)
def test_the_table_of_axis_orders(names, axes):
    assert axes_of("some/model", names) == axes


@pytest.mark.parametrize("names", [["LABEL_0", "LABEL_1", "LABEL_2"], ["arousal", "arousal", "valence"], ["angry", "sad"], ["arousal", "dominance", "happy"]])
def test_outputs_without_names_are_refused(names):
    with pytest.raises(LabelError, match="each has to be one of arousal, valence, dominance"):
        axes_of("some/model", names)


def test_windows_have_their_own_scores(tmp_path):
    folder, body, weights = headed(tmp_path / "msp-dim", {"classifier": 3}, ADV)
    heard = sounds([9.0])
    opinions = Affect(str(folder)).annotate(clips(heard), heard, 16_000)[0]["opinions"]
    assert len(opinions) == 12 and {o["field"] for o in opinions} == {"arousal", "dominance", "valence"}
    expected = dense_head(weights, "classifier", body, heard[0][-4 * 16_000 :])
    assert {o["field"]: o["score"] for o in opinions if (o["start"], o["end"]) == (7.0, 9.0)} == pytest.approx(
        dict(zip(ADV.values(), expected, strict=True)), abs=2e-4
    )


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (lambda w: {name: weight for name, weight in w.items() if not name.startswith("classifier.dense")}, "2 missing"),
        (lambda w: w | {"classifier.output.weight": torch.zeros(3, 32)}, r"1 unexpected \(classifier.output.weight\)"),
        (lambda w: w | {"classifier.out_proj.weight": torch.zeros(4, 32), "classifier.out_proj.bias": torch.zeros(4)}, "2 of another shape"),
        (lambda w: w | {"classifier.out_proj.weight": torch.zeros(3, 32)}, "two different sounds with the same numbers"),
    ],
    ids=["missing", "unexpected", "mismatched", "deaf"],
)
def test_heads_load_strictly(tmp_path, head, message):
    folder, _, _ = headed(tmp_path / "msp-dim", {"classifier": 3}, ADV)
    rewrite(folder, head)
    with pytest.raises(RecipeError, match=message):
        Affect(str(folder)).setup()


@pytest.mark.parametrize(("bias", "score"), [(1.1, 1.0), (-0.1, 0.0), (4.0, None), (-0.6, None)])
def test_overshoot_is_taken_off_and_another_scale_is_an_error(tmp_path, bias, score):
    folder, _, _ = headed(tmp_path / "msp-dim", {"classifier": 3}, ADV)
    rewrite(
        folder, lambda w: w | {"classifier.out_proj.bias": torch.tensor([0.5, bias, 0.5]), "classifier.out_proj.weight": 0.01 * w["classifier.out_proj.weight"]}
    )
    made, heard = Affect(str(folder)), sounds([1.0])
    if score is None:
        with pytest.raises(LabelError, match=r"msp-dim gives clip test/0.wav \(0{16}\) a dominance of .*far outside 0–1"):
            made.annotate(clips(heard), heard, 16_000)
    else:
        assert scores(made.annotate(clips(heard), heard, 16_000)[0])["dominance"] == score


def odyssey_folder(folder, outputs=3, names=ADV, *, ssl_type="microsoft/wavlm-large", **settings):
    """As 3loi's repositories are: the encoder under ssl_model, with the old names of weight norm; no feature extractor; code that is not run."""
    from transformers import WavLMConfig, WavLMModel

    config = WavLMConfig(**BODY, **CONV, **LAYER, num_buckets=320, max_bucket_distance=800)
    body = loud(WavLMModel(config), 5).eval()
    weights = {f"ssl_model.{name}": weight for name, weight in body.state_dict().items()}
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): w for name, w in weights.items()
    }
    generator = torch.Generator().manual_seed(11)

    def random(*shape):
        return torch.randn(*shape, generator=generator) * 0.2

    weights |= {"pool_model.sap_linear.weight": random(32, 32), "pool_model.sap_linear.bias": random(32), "pool_model.attention": 5 * random(32, 1)}
    weights |= {
        "ser_model.fc.0.0.weight": random(32, 64),
        "ser_model.fc.0.0.bias": random(32),
        "ser_model.fc.0.1.weight": 1 + random(32),
        "ser_model.fc.0.1.bias": random(32),
    }
    weights |= {"ser_model.out.0.weight": random(outputs, 32) * 0.2, "ser_model.out.0.bias": torch.full((outputs,), 0.5)}
    folder.mkdir()
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    said = {
        "architectures": ["SERModel"], "auto_map": {"AutoModelForAudioClassification": "pipeline_utils.SERModel"}, "model_type": "ser", "hidden_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "classifier_hidden_layers": 1, "classifier_dropout_prob": 0.5, "num_classes": outputs,
        "ssl_type": ssl_type, "sampling_rate": 16_000, "mean": -0.02, "std": 0.21, "id2label": {str(n): name for n, name in names.items()}, "torch_dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said | settings))
    (folder / "pipeline_utils.py").write_text("raise SystemExit('this code must not run')\n")
    return folder, body, weights


def odyssey_reference(weights, body, samples):
    """The published forward, one sound at a time: scaled by the config's mean and deviation, attentive statistics, linear, layer norm, ReLU, linear."""
    w = {name: weight.double().numpy() for name, weight in weights.items() if not name.startswith("ssl_model")}
    with torch.inference_mode():
        x = body(torch.from_numpy(((samples + 0.02) / (0.21 + 1e-6)).astype(np.float32))[None]).last_hidden_state[0].double().numpy()
    score = np.tanh(x @ w["pool_model.sap_linear.weight"].T + w["pool_model.sap_linear.bias"]) @ w["pool_model.attention"][:, 0]
    share = np.exp(score - score.max())[:, None] / np.exp(score - score.max()).sum()
    mean = (x * share).sum(0)
    pooled = np.concatenate([mean, np.sqrt(np.maximum((x**2 * share).sum(0) - mean**2, 1e-5))])
    h = w["ser_model.fc.0.0.weight"] @ pooled + w["ser_model.fc.0.0.bias"]
    h = (h - h.mean()) / np.sqrt(h.var() + 1e-5) * w["ser_model.fc.0.1.weight"] + w["ser_model.fc.0.1.bias"]
    return w["ser_model.out.0.weight"] @ np.maximum(h, 0) + w["ser_model.out.0.bias"]


@pytest.mark.parametrize("order", [["arousal", "dominance", "valence"], ["valence", "dominance", "arousal"]])
def test_the_msp_podcast_baseline_equals_its_published_forward(tmp_path, order):
    folder, body, weights = odyssey_folder(tmp_path / "odyssey", names=dict(enumerate(order)))
    made, heard = Affect(str(folder), options=WHOLE), sounds(LENGTHS)
    rows = made.annotate(clips(heard), heard, 16_000)
    assert made._encoder.batching == "masked"
    for samples, row in zip(heard, rows, strict=True):
        expected = dict(zip(order, odyssey_reference(weights, body, samples), strict=True))
        assert scores(row) == pytest.approx({axis: min(1, max(0, value)) for axis, value in expected.items()}, abs=2e-4)


def test_heads_of_ours_hear_each_clip_by_itself(tmp_path):
    from cp_paraling_qa.annotate.batching import Pace, answer, hear

    heard = sounds(LENGTHS)
    together = Pace((1e6,))
    together.chosen = 1e6
    for made in (
        Affect(str(headed(tmp_path / "a", {"classifier": 3}, ADV)[0])),
        Affect(str(odyssey_folder(tmp_path / "b")[0])),
        Speaker(str(headed(tmp_path / "c", {"age": 1, "gender": 3}, {0: "female", 1: "male", 2: "child"})[0])),
    ):
        made.setup()
        alone = np.concatenate([answer(made._encoder, [samples]) for samples in heard])
        assert np.abs(hear(made._encoder, heard, together) - alone).max() < 1e-5


def test_the_baseline_for_one_axis_and_for_emotions(tmp_path):
    heard = sounds([1.0])
    folder, body, weights = odyssey_folder(tmp_path / "valence", 1, {0: "valence"})
    assert set(scores(Affect(str(folder)).annotate(clips(heard), heard, 16_000)[0])) == {"valence"}
    names = dict(enumerate(["Angry", "Sad", "Happy", "Surprise", "Fear", "Disgust", "Contempt", "Neutral"]))
    folder, body, weights = odyssey_folder(tmp_path / "categorical", 8, names)
    opinions = EmotionClassifier(str(folder)).annotate(clips(heard), heard, 16_000)[0]["opinions"]
    logits = odyssey_reference(weights, body, heard[0])
    likely = np.exp(logits) / np.exp(logits).sum()
    assert (opinions[0]["value"], opinions[0]["probability"]) == (names[int(likely.argmax())].lower(), pytest.approx(likely.max(), abs=2e-4))


def test_the_encoder_inside_a_baseline_may_lie_beside_it(tmp_path):
    from transformers import WavLMConfig

    folder, body, weights = odyssey_folder(tmp_path / "odyssey", ssl_type="encoder")
    WavLMConfig(**BODY, **CONV, **LAYER).save_pretrained(folder / "encoder")
    heard = sounds([1.0])
    expected = odyssey_reference(weights, body, heard[0])
    assert scores(Affect(str(folder)).annotate(clips(heard), heard, 16_000)[0]) == pytest.approx(dict(zip(ADV.values(), expected, strict=True)), abs=2e-4)
    wrong, _, _ = odyssey_folder(tmp_path / "wrong", sampling_rate=8_000)
    with pytest.raises(RecipeError, match="hears audio at 8000 Hz"):
        Affect(str(wrong)).setup()


def test_stock_regressors_state_axes_too(tmp_path):
    model, extractor = classifier("wav2vec2:layer", {0: "valence", 1: "arousal"})
    with torch.no_grad():
        model.classifier.weight *= 0.1
        model.classifier.bias.fill_(0.5)
    folder = save(model, extractor, tmp_path / "stock")
    heard = sounds([1.0])
    with torch.inference_mode():
        valence, arousal = model.eval()(**extractor(heard[0], sampling_rate=16_000, return_tensors="pt")).logits[0].tolist()
    assert scores(Affect(str(folder)).annotate(clips(heard), heard, 16_000)[0]) == pytest.approx({"valence": valence, "arousal": arousal}, abs=2e-4)


@pytest.mark.parametrize("order", [["female", "male", "child"], ["child", "female", "male"]])
def test_age_and_gender_by_name(tmp_path, order):
    folder, body, weights = headed(tmp_path / "age-gender", {"age": 1, "gender": 3}, dict(enumerate(order)))
    weights = load_file(rewrite(folder, lambda w: w | {"gender.out_proj.weight": 8 * w["gender.out_proj.weight"]}) / "model.safetensors")
    heard = sounds(LENGTHS)
    rows = Speaker(str(folder), options=WHOLE).annotate(clips(heard), heard, 16_000)
    for samples, row in zip(heard, rows, strict=True):
        logits = dense_head(weights, "gender", body, samples)
        share = dict(zip(order, np.exp(logits) / np.exp(logits).sum(), strict=True))
        stated = {o["value"]: o["probability"] for o in row["opinions"] if o["field"] == "gender"}
        told = {} if max(share, key=share.get) == "child" else {name: p for name, p in share.items() if name != "child" and p >= 0.05}
        assert stated == pytest.approx(told, abs=2e-4)
        years = [o for o in row["opinions"] if o["field"] == "age"]
        assert [o["value"] for o in years] == [f"{100 * min(1, max(0, dense_head(weights, 'age', body, samples)[0])):.0f}"] and years[0]["start"] is None


def test_the_age_of_a_clip_is_the_mean_of_its_windows(tmp_path):
    folder, body, weights = headed(tmp_path / "age-gender", {"age": 1, "gender": 3}, {0: "female", 1: "male", 2: "child"})
    heard = sounds([5.0])
    opinions = Speaker(str(folder)).annotate(clips(heard), heard, 16_000)[0]["opinions"]
    first, last = (dense_head(weights, "age", body, heard[0][span])[0] for span in (slice(0, 64_000), slice(16_000, 80_000)))
    # windows 0–4 and 1–5 s label 0–3 and 3–5 s
    assert [o["value"] for o in opinions if o["field"] == "age"] == [f"{100 * (3 * first + 2 * last) / 5:.0f}"]
    assert {(o["start"], o["end"]) for o in opinions if o["field"] == "gender"} <= {(0.0, 3.0), (3.0, 5.0)}


def test_a_child_gets_no_gender(tmp_path):
    folder, _, _ = headed(tmp_path / "age-gender", {"age": 1, "gender": 3}, {0: "female", 1: "male", 2: "child"})
    rewrite(folder, lambda w: w | {"gender.out_proj.bias": torch.tensor([0.0, 0.0, 9.0])})
    heard = sounds([1.0])
    assert [o["field"] for o in Speaker(str(folder)).annotate(clips(heard), heard, 16_000)[0]["opinions"]] == ["age"]


def test_any_classifier_of_female_and_male(tmp_path):
    model, extractor = classifier("wav2vec2:layer", {0: "M", 1: "F"})
    folder = save(model, extractor, tmp_path / "gender")
    heard = sounds([1.0])
    with torch.inference_mode():
        male, female = model.eval()(**extractor(heard[0], sampling_rate=16_000, return_tensors="pt")).logits.softmax(-1)[0].tolist()
    stated = {o["value"]: o["probability"] for o in Speaker(str(folder)).annotate(clips(heard), heard, 16_000)[0]["opinions"]}
    assert stated == pytest.approx({name: p for name, p in {"male": male, "female": female}.items() if p >= 0.05}, abs=2e-4)
    with pytest.raises(LabelError, match="no emotion model; use it as speaker="):
        EmotionClassifier(str(folder))


@pytest.mark.parametrize("names", [["LABEL_0", "LABEL_1"], ["angry", "sad"], ["female", "female"], ["female", "male", "angry"]])
def test_classes_that_are_no_voices_are_refused(names):
    with pytest.raises(LabelError, match="a model of gender has female and male"):
        voices_of("some/model", names)


def test_the_published_age_model_is_understood_without_names():
    """Its model card says "female, male, child"; a checkpoint of anyone else has to say so itself."""
    nameless = ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert voices_of("audeering/wav2vec2-large-robust-24-ft-age-gender", nameless) == ["female", "male", "child"]
    with pytest.raises(LabelError):
        voices_of("someone/wav2vec2-age", nameless)


def test_without_a_feature_extractor_sound_is_scaled_as_for_the_published_ones(tmp_path):
    folder, body, weights = headed(tmp_path / "msp-dim", {"classifier": 3}, ADV)
    (folder / "preprocessor_config.json").unlink()
    heard = sounds([1.0])
    expected = dict(zip(ADV.values(), dense_head(weights, "classifier", body, heard[0]), strict=True))
    assert scores(Affect(str(folder)).annotate(clips(heard), heard, 16_000)[0]) == pytest.approx(expected, abs=2e-4)
    waveform_extractor(sampling_rate=8_000).save_pretrained(folder)
    with pytest.raises(RecipeError, match="8000 Hz"):
        Affect(str(folder)).setup()


def test_no_model_library_is_loaded_before_there_is_something_to_hear(tmp_path):
    import os
    import subprocess
    import sys

    speaker, _, _ = headed(tmp_path / "age-gender", {"age": 1, "gender": 3}, {0: "female", 1: "male", 2: "child"})
    affect, _, _ = headed(tmp_path / "msp-dim", {"classifier": 3}, ADV)
    code = "import sys; from cp_paraling_qa.annotate import annotator; print(*[annotator(spec).name for spec in sys.argv[1:]], *({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, f"affect={affect}", f"speaker={speaker}"], capture_output=True, text=True, env=os.environ)
    assert done.stdout.split() == ["affect-msp-dim", "speaker-age-gender"], done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"id2label": {"0": "arousal", "1": "valence"}}, "num_classes 3 and names arousal, valence"),
        ({"mean": "none"}, "config.json makes no model"),
        ({"hidden_size": "large"}, "no OdysseyModel can be loaded"),
        ({"sampling_rate": 8_000}, "8000 Hz"),
    ],
)
def test_a_config_that_is_no_good_is_said_in_one_line(tmp_path, settings, message):
    odyssey_folder(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    with pytest.raises((LabelError, RecipeError), match=message) as raised:
        Affect(str(tmp_path / "model")).setup()
    assert "\n" not in str(raised.value)
