"""emotion2vec through FunASR itself, on a tiny model of random weights in a folder laid out as the released ones are."""

import logging
import os
import pickle

import pytest
import yaml
from conftest import voice

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.emotion2vec import NAMES, Emotion2Vec
from cp_paraling_qa.annotate.emotion2vec_model import english
from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.ledger import emotion_track, shares
from cp_paraling_qa.schema import OPINION_FIELDS, opinion

TOKENS = ["生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other", "难过/sad", "吃惊/surprised", "<unk>"]


def config(**audio):
    """The released config.yaml, with small numbers."""
    return {
        "model": "Emotion2vec",
        "model_conf": {
            "loss_beta": 0.0,
            "loss_scale": None,
            "depth": 2,
            "start_drop_path_rate": 0.0,
            "end_drop_path_rate": 0.0,
            "num_heads": 2,
            "norm_eps": 1e-05,
            "norm_affine": True,
            "encoder_dropout": 0.1,
            "post_mlp_drop": 0.1,
            "attention_dropout": 0.1,
            "activation_dropout": 0.0,
            "dropout_input": 0.0,
            "layerdrop": 0.05,
            "embed_dim": 16,
            "mlp_ratio": 2.0,
            "layer_norm_first": False,
            "average_top_k_layers": 2,
            "end_of_block_targets": False,
            "clone_batch": 8,
            "normalize": True,
            "modalities": {
                "audio": {
                    "type": "AUDIO",
                    "prenet_depth": 1,
                    "prenet_layerdrop": 0.05,
                    "prenet_dropout": 0.1,
                    "start_drop_path_rate": 0.0,
                    "end_drop_path_rate": 0.0,
                    "num_extra_tokens": 2,
                    "init_extra_token_zero": True,
                    "mask_noise_std": 0.01,
                    "mask_prob_min": None,
                    "mask_prob": 0.5,
                    "inverse_mask": False,
                    "mask_prob_adjust": 0.05,
                    "keep_masked_pct": 0.0,
                    "mask_length": 5,
                    "add_masks": False,
                    "remove_masks": False,
                    "mask_dropout": 0.0,
                    "encoder_zero_mask": True,
                    "mask_channel_prob": 0.0,
                    "mask_channel_length": 64,
                    "local_grad_mult": 1.0,
                    "use_alibi_encoder": True,
                    "alibi_scale": 1.0,
                    "learned_alibi": False,
                    "alibi_max_pos": None,
                    "learned_alibi_scale": True,
                    "learned_alibi_scale_per_head": True,
                    "learned_alibi_scale_per_layer": False,
                    "num_alibi_heads": 2,
                    "model_depth": 2,
                    "decoder": {
                        "decoder_dim": 8,
                        "decoder_groups": 4,
                        "decoder_kernel": 7,
                        "decoder_layers": 2,
                        "input_dropout": 0.1,
                        "add_positions_masked": False,
                        "add_positions_all": False,
                        "decoder_residual": True,
                        "projection_layers": 1,
                        "projection_ratio": 2.0,
                    },
                    "extractor_mode": "layer_norm",
                    "feature_encoder_spec": "[(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8,2,2)] + [(8,2,2)]",
                    "conv_pos_width": 15,
                    "conv_pos_groups": 4,
                    "conv_pos_depth": 5,
                    "conv_pos_pre_ln": False,
                    **audio,
                }
            },
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "scope_map": ["d2v_model.", "none"],
    }


def write_model(folder, *, seed=0, tokens=TOKENS, change=lambda state: state, **audio):
    """config.yaml, configuration.json, tokens.txt and model.pt; weights of the decoder are left out, as they are in the released checkpoints."""
    funasr = pytest.importorskip("funasr")
    import torch

    folder.mkdir(parents=True)
    settings = config(**audio)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "configuration.json").write_text(
        '{"framework": "pytorch", "task": "emotion-recognition", "model": {"type": "funasr"},'
        ' "file_path_metas": {"init_param": "model.pt", "tokenizer_conf": {"token_list": "tokens.txt"}, "config": "config.yaml"}}'
    )
    (folder / "tokens.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert funasr
    from funasr.models.emotion2vec.model import Emotion2vec

    state_of_chance = torch.get_rng_state()
    torch.manual_seed(seed)
    model = Emotion2vec(model_conf=config()["model_conf"], vocab_size=len(tokens))
    torch.nn.init.normal_(model.proj.weight, std=1.0)  # so that it is sure of something
    torch.set_rng_state(state_of_chance)
    state = {name: value for name, value in model.state_dict().items() if ".decoder." not in name}
    torch.save(change(state), folder / "model.pt")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("emotion2vec")
    return [write_model(root / f"tiny_{number}", seed=number) for number in range(2)]


@pytest.fixture(scope="module")
def clips():
    return [{"clip_id": str(n)} for n in range(3)], [voice(9.0, 150), voice(0.05, 220), voice(3.0, 300, seed=1)]


@pytest.fixture(scope="module")
def heard(folders, clips):
    annotator = Emotion2Vec([str(folder) for folder in folders])
    annotator.setup()
    return annotator, annotator.annotate(*clips, 16_000)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_windows_labels_and_raters(heard):
    annotator, rows = heard
    assert annotator.name == "emotion2vec-tiny_0+tiny_1" and [model["model"] for model in annotator.config["models"]] == ["tiny_0", "tiny_1"]
    spans = sorted({(o["start"], o["end"]) for o in rows[0]["opinions"]})
    assert spans == [(0.0, 3.0), (3.0, 5.0), (5.0, 7.0), (7.0, 9.0)]  # windows 0–4, 2–6, 4–8 and 5–9 give their labels to their middles and the edges
    assert {(o["start"], o["end"]) for o in rows[1]["opinions"]} == {(0.0, 0.05)}
    labels = {english(token) for token in TOKENS}
    for row in rows:
        assert {o["rater"] for o in row["opinions"]} == {"tiny_0", "tiny_1"}
        assert {o["field"] for o in row["opinions"]} == {"emotion"} <= set(OPINION_FIELDS) and {o["value"] for o in row["opinions"]} <= labels
        assert all(o["source"] == "model" and o["revision"].startswith("local-") for o in row["opinions"])
        for key in {(o["rater"], o["start"]) for o in row["opinions"]}:
            probabilities = [o["probability"] for o in row["opinions"] if (o["rater"], o["start"]) == key]
            assert max(probabilities) == probabilities[0] and min(probabilities[1:], default=1) >= 0.05
            assert 1 - 9 * 0.05 < sum(probabilities) <= 1.0001  # what is missing are classes below 0.05


def test_posteriors_are_the_models_own(folders, heard):
    """The first window again, by hand: features, mean over time, projection, softmax."""
    import torch
    from funasr.models.emotion2vec.model import Emotion2vec

    model = Emotion2vec(model_conf=config()["model_conf"], vocab_size=9).eval()
    model.load_state_dict(torch.load(folders[0] / "model.pt", weights_only=True), strict=False)
    sound = torch.tensor(voice(9.0, 150)[:64_000])
    with torch.no_grad():
        features = model.extract_features(torch.nn.functional.layer_norm(sound, sound.shape)[None])["x"]
        expected = torch.softmax(model.proj(features.mean(1)), -1)[0].tolist()
    said = {o["value"]: o["probability"] for o in heard[1][0]["opinions"] if o["rater"] == "tiny_0" and o["start"] == 0.0}
    assert said == pytest.approx({english(t): p for t, p in zip(TOKENS, expected, strict=True) if p >= 0.05}, abs=1e-5)


def test_a_clip_does_not_depend_on_its_neighbours_and_a_loaded_model_says_nothing(heard, clips, capfd):
    annotator, rows = heard
    for number in (2, 0, 1):
        assert annotator.annotate([clips[0][number]], [clips[1][number]], 16_000) == [rows[number]]
    assert capfd.readouterr() == ("", "")


def test_the_ledger_adds_the_models_up_to_their_mean_posterior(folders, clips):
    """With every class kept, the share of a label over one window is the mean of the two posteriors; unknown and other do not vote."""
    annotator = Emotion2Vec([str(folder) for folder in folders], keep=0.0, options=AnnotatorOptions(window=None))
    annotator.setup()
    opinions = annotator.annotate(clips[0][2:], clips[1][2:], 16_000)[0]["opinions"]
    by = {(o["rater"], o["value"]): o["probability"] for o in opinions}
    assert len(by) == 18
    mean = {label: (by["tiny_0", label] + by["tiny_1", label]) / 2 for _, label in by if label not in ("unknown", "other")}
    total = sum(mean.values())
    assert shares(opinions, "emotion") == pytest.approx({label: value / total for label, value in mean.items()}, abs=1e-6)
    assert emotion_track({"opinions": opinions, "duration": 3.0}) == [(0.0, 3.0, max(mean, key=mean.get))]


def test_loading_leaves_the_process_as_it_was(folders, capfd):
    import torch

    before = (torch.get_num_threads(), logging.getLogger().level, list(logging.getLogger().handlers), os.environ.get("HYDRA_FULL_ERROR"))
    annotator = pickle.loads(pickle.dumps(Emotion2Vec(str(folders[0]))))
    annotator.setup()
    assert (torch.get_num_threads(), logging.getLogger().level, list(logging.getLogger().handlers), os.environ.get("HYDRA_FULL_ERROR")) == before
    assert capfd.readouterr() == ("", "") and annotator.name == "emotion2vec-tiny_0" and annotator.config["revision"].startswith("local-")


def test_bfloat16_stays_close(folders, clips, heard):
    annotator = Emotion2Vec([str(folders[0])], options=AnnotatorOptions(dtype="bfloat16"))
    annotator.setup()
    rough = {(o["start"], o["value"]): o["probability"] for o in annotator.annotate(clips[0][:1], clips[1][:1], 16_000)[0]["opinions"]}
    exact = {(o["start"], o["value"]): o["probability"] for o in heard[1][0]["opinions"] if o["rater"] == "tiny_0"}
    assert [rough.get(key, 0.05) for key in exact] == pytest.approx(list(exact.values()), abs=0.05)


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


FAULTS = {
    "weights that are missing": (dict(change=without("blocks.1.mlp.fc1.weight")), r"lacks 1 weights \(blocks.1.mlp.fc1.weight"),
    "a head of another size": (dict(change=lambda s: s | {"proj.weight": s["proj.weight"][:8]}), r"another shape 1 weights \(proj.weight"),
    "a deeper checkpoint": (dict(change=lambda s: s | {"blocks.2.norm1.weight": s["blocks.1.norm1.weight"]}), r"the model has not, 1 weights \(blocks.2"),
    "eight labels": (dict(tokens=[*TOKENS[:7], "<unk>"]), "answers with 8 labels"),
    "other labels": (dict(tokens=["无聊/bored", *TOKENS[1:]]), r"9 labels \(bored, disgusted"),
    "no label for the unknown": (dict(tokens=TOKENS[:8]), "FunASR cannot build it"),
    "code in the layers": (dict(feature_encoder_spec="[(8, 10, 5)] + __import__('os').listdir('.')"), "would be run as code"),
    "an uninterested head": (dict(change=lambda s: s | {name: s[name] * 0 for name in ("proj.weight", "proj.bias")}), "same probability"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_an_error(tmp_path, fault):
    changes, message = FAULTS[fault]
    with pytest.raises((StageError, RecipeError), match=message):
        Emotion2Vec(str(write_model(tmp_path / "model", **changes))).setup()


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_a_checkpoint_that_runs_code_is_refused_before_it_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_model(tmp_path / "model", change=lambda state: state | {"trap": Trap()})
    with pytest.raises(StageError, match="more than tensors"):
        Emotion2Vec(str(folder)).setup()
    assert not (tmp_path / "trapped").exists()
    (folder / "model.pt").write_bytes((folder / "model.pt").read_bytes()[:1000])
    with pytest.raises(StageError, match="cannot be read"):
        Emotion2Vec(str(folder)).setup()
    (folder / "model.pt").unlink()
    with pytest.raises(StageError, match="model.pt is missing"):
        Emotion2Vec(str(folder)).setup()


def test_code_beside_the_weights_is_not_imported(tmp_path, monkeypatch):
    """config.yaml may ask FunASR to import a file of the model's folder; it is not asked."""
    folder = write_model(tmp_path / "model")
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "model.py").write_text("import os\nos.mkdir('imported')\n")
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | {"trust_remote_code": True, "remote_code": str(folder / "model.py")}))
    monkeypatch.chdir(tmp_path)
    Emotion2Vec(str(folder)).setup()
    assert not (tmp_path / "imported").exists()


def test_prefixed_and_wrapped_checkpoints(tmp_path, folders, clips, heard):
    """Checkpoints from fairseq call the backbone d2v_model and wrap the weights; config.yaml says so in scope_map."""
    import torch

    state = torch.load(folders[0] / "model.pt", weights_only=True)
    folder = write_model(
        tmp_path / "tiny_0", change=lambda _: {"model": {name if name.startswith("proj.") else f"d2v_model.{name}": value for name, value in state.items()}}
    )
    annotator = Emotion2Vec(str(folder))
    annotator.setup()
    said = annotator.annotate(clips[0][2:], clips[1][2:], 16_000)[0]["opinions"]
    expected = [o["probability"] for o in heard[1][2]["opinions"] if o["rater"] == "tiny_0"]
    assert [o["probability"] for o in said] == pytest.approx(expected, abs=1e-6)


def test_names_models_and_revisions():
    ensemble = Emotion2Vec("emotion2vec_plus_ensemble")
    assert ensemble.name == "emotion2vec_plus_ensemble" and [source.repository for source in ensemble.sources] == [
        f"emotion2vec/emotion2vec_plus_{size}" for size in ("seed", "base", "large")
    ]
    commit = "0123456789abcdef0123456789abcdef01234567"
    pinned = Emotion2Vec("iic/emotion2vec_plus_large", revision=commit)
    assert pinned.name == "emotion2vec_plus_large" and pinned.config["revision"] == commit and pinned.sources[0].rater == "iic/emotion2vec_plus_large"
    assert Emotion2Vec("emotion2vec/emotion2vec_plus_base", hub="ms").sources[0].repository == "iic/emotion2vec_plus_base"
    for wrong in ((), ("nonsense",), ("iic/a", "iic/a"), ("/nowhere/at/all",)):
        with pytest.raises(RecipeError):
            Emotion2Vec(wrong)
    with pytest.raises(RecipeError, match="revision only for one"):
        Emotion2Vec("emotion2vec_plus_ensemble", revision=commit)
    with pytest.raises(StageError, match="cannot be loaded from the Hugging Face Hub"):
        pinned.setup()
    assert set(NAMES) == {"emotion2vec_plus_seed", "emotion2vec_plus_base", "emotion2vec_plus_large", "emotion2vec_plus_ensemble"}


def test_english_labels():
    assert [english(token) for token in TOKENS] == ["angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown"]
    assert english("未知/unknown") == "unknown" and opinion("emotion", english("难过/sad"), source="model")["value"] == "sad"
