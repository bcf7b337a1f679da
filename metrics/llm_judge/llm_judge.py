"""LLM judge beside accuracy and F1 for spoken question answering: a thin face over `cp_paraling_qa.judge`."""

# evaluate finds the imports of this file line by line: one import per line, no comments behind them. What is heavy is imported inside the methods.
import datasets
import evaluate

_DESCRIPTION = """
Scores free-text answers to questions about speech in two ways at once: an LLM judge (or several, several times) grades each answer against its reference on an
anchored rubric (shown as 0-100), and answers with a closed-form label (emotion, gender, sentiment, any list) are mapped to that label by word lists and sentence
embeddings and compared with the truth (accuracy, balanced accuracy, F1). A failure is never a score: replies that cannot be parsed are left unscored and counted by
reason, answers that map to no label count as wrong, and coverage and a 95 % interval stand beside every number. The judge's own validity is part of the result:
agreement with itself, with the labels and with people, and a score corrected by what people said.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of str): the answers.
    references (list of str): what is right, in words.
    questions (list of str, optional): what was asked, shown to the judge.
    types (list of str, optional): the type of each question: a label space and a slice for each.
    contexts (list of str, optional): what is known about each recording (labels, measured prosody), shown to the judge.
    labels (list of str or None, optional): the true label of each item; None leaves an item out of the label figures.
    label_space (list of str, or dict of type to list, optional): the labels to choose from; by default those that occur in labels, for each type.
    human_ratings (list, optional): what people gave each item on the judge's scale: a number, a list with one rating per rater (None where one gave none), or None.
    cluster_ids (list, optional): what belongs together, such as the clip of each item; resampled together.
    judge (optional): a callable that is given the rendered prompts (one list of chat messages per item) and returns one reply text per item,
        {"explanation": string, "score": integer}; or a dict with base_url and model of an OpenAI-compatible endpoint (also temperature, max_tokens, seed,
        cache, concurrency, timeout, attempts, label). Without it the judge's keys are None.
    judges (list, optional): several of them in place of judge; an item's score is their mean.
    repeats (int): how often each judge is asked about an item.
    scale (pair of int, optional): lowest and highest score in place of the rubric's own; the judge is told how the rubric's levels lie on it.
    rubric (str, optional): "open" (0-5), "binary" (0/1) or "audiobench" (0-5); by default the name the metric was loaded with, or "open".
    embedder (optional): "auto" (the bundled MiniLM, where it is installed), a sentence-transformers id, a callable, or None for word lists alone.
    threshold (float): least cosine of a label found by embedding.
    margin (float): least lead of that label over the second.
    label_llm (optional): an LLM, given as judge is, that is asked by a contract of its own about answers that words and embedding leave open.
    n_bootstrap (int): resamples behind each interval.
    seed (int): of the resamples.
    return_details (bool): add `details`, one dict per item.

Returns:
    llm_judge, llm_judge_ci_low, llm_judge_ci_high (float or None): mean score of the scored items with its 95 % interval, 0-100, higher is better.
    n, n_scored (int), coverage (float): items, items with a score, and their share.
    unscored_reasons (dict): why the others have none.
    n_labelled (int): items with a true label.
    accuracy, balanced_accuracy, f1_weighted, f1_macro (float or None), each with _ci_low and _ci_high: 0-1, higher is better.
    label_coverage (float or None): share of labelled items whose answer maps to a label.
    label_stages, abstained_reasons (dict or None): what decided, and why the rest are open.
    confusion (dict or None): labels, counts (rows true, columns answered), unmapped.
    by_type, by_label (dict): the main figures of every slice, with n.
    judge_alpha (float or None): Krippendorff's alpha between repeats and judges.
    judge_label_spearman, judge_label_point_biserial, judge_label_auc, correct_to_incorrect: whether the judge tells right labels from wrong ones.
    human_spearman, human_kendall_tau_b, human_kappa_quadratic, human_alpha_ordinal, human_ac2, human_bias, human_mae, alt_test: whether it says what people say.
    llm_judge_corrected, with _ci_low, _ci_high, _method, _n: the mean corrected by what people said.
    panel, rubric, rubric_hash, hashcode: who judged by what, and a hash of everything that shaped the numbers.

Examples:

    Labels alone, without a judge:

    >>> import evaluate
    >>> metric = evaluate.load("llm_judge")
    >>> result = metric.compute(
    ...     predictions=["She sounds furious.", "Not angry, rather sad.", "I cannot tell."],
    ...     references=["The speaker is angry.", "The speaker is sad.", "The speaker is sad."],
    ...     labels=["angry", "sad", "sad"],
    ... )
    >>> round(result["accuracy"], 3), round(result["label_coverage"], 3), result["abstained_reasons"]
    (0.667, 0.667, {'refusal': 1})
    >>> result["llm_judge"] is None
    True

    A judge that is any callable; what it does not score is counted, not guessed:

    >>> def judge(prompts):
    ...     return ['{"explanation": "names the emotion", "score": 5}', "Rating: 4"]
    >>> result = metric.compute(predictions=["Angry.", "Happy."], references=["angry", "sad"], judge=judge)
    >>> result["llm_judge"], result["n"], result["n_scored"], result["coverage"]
    (100.0, 2, 1, 0.5)
    >>> result["unscored_reasons"]
    {'no JSON verdict': 1}

    Right or wrong, as for emotion and gender in AudioBench, with what people said of some answers:

    >>> binary = evaluate.load("llm_judge", "binary")
    >>> def yes(prompts):
    ...     return ['{"explanation": "same emotion", "score": 1}' for prompt in prompts]
    >>> result = binary.compute(predictions=["Sad."] * 4, references=["sad"] * 4, judge=yes, human_ratings=[1, 1, 0, None])
    >>> result["llm_judge"], round(result["human_bias"], 3), result["human_bias_n"]
    (100.0, 0.333, 3)

    Batch by batch, with the labels at the end:

    >>> metric.add_batch(predictions=["a man", "a woman"], references=["male", "female"])
    >>> metric.compute(labels=["male", "female"])["f1_macro"]
    1.0
"""

_CITATION = """
@misc{cp_paraling_qa,
    title  = {cp-paraling-qa: contextual paralinguistic question answering for speech LLMs},
    year   = {2026},
    note   = {Metric llm_judge},
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class LLMJudge(evaluate.Metric):
    """The metric; all that it computes is `cp_paraling_qa.judge.compute`."""

    def _info(self):
        _rubric(self.config_name)  # a name that stands for no rubric is said when the metric is loaded
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")}),
            reference_urls=["https://arxiv.org/abs/2505.13338", "https://arxiv.org/abs/2508.07273"],
        )

    def _enforce_nested_string_type(self, schema, obj):
        """A missing answer may be the first one, too: evaluate looks at the type of the first alone, and would refuse None there and nowhere else."""
        return None if obj is None else super()._enforce_nested_string_type(schema, obj)

    def _compute(
        self,
        predictions,
        references,
        questions=None,
        types=None,
        contexts=None,
        labels=None,
        label_space=None,
        human_ratings=None,
        cluster_ids=None,
        judge=None,
        judges=None,
        repeats=1,
        scale=None,
        rubric=None,
        embedder="auto",
        threshold=0.35,
        margin=0.05,
        label_llm=None,
        n_bootstrap=2000,
        seed=0,
        return_details=False,
    ):
        from cp_paraling_qa.judge import compute

        return compute(
            predictions,
            references,
            questions=questions,
            types=types,
            contexts=contexts,
            labels=labels,
            label_space=label_space,
            human_ratings=human_ratings,
            cluster_ids=cluster_ids,
            judge=judge,
            judges=judges,
            repeats=repeats,
            scale=scale,
            rubric=_rubric(self.config_name) if rubric is None else rubric,
            embedder=embedder,
            threshold=threshold,
            margin=margin,
            label_llm=label_llm,
            n_bootstrap=n_bootstrap,
            seed=seed,
            return_details=return_details,
        )


def _rubric(name):
    """The rubric that the metric's config name stands for."""
    from cp_paraling_qa.judge.score import rubric_of

    return rubric_of("open" if name == "default" else name).name
