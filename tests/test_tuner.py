"""The public interface, on tiny random models."""

import pickle
import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import optuna
import pytest
import rouge_score.rouge_scorer
import tiny_studies
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import StoppingCriteriaList

from llmsearch_optuna import (
    GenerationObjective,
    GenerationParams,
    MultiTokenStoppingCriteria,
    PairedPruner,
    SearchSpace,
    Tuner,
    trial_params,
)
from llmsearch_optuna.engine.loading import LoadedModel
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, TaskError
from llmsearch_optuna.space.dimensions import Categorical, Float

ROWS = [{"question": f"How many apples are {i} and {i}?", "answer": str(2 * i)} for i in range(12)]
SPACE = SearchSpace(temperature=Float(0.5, 1.5), generation_seed=Categorical([0, 1]), max_new_tokens=5)


def distinct_characters(y_true: list[dict[str, str]], y_pred: list[str]) -> list[float]:
    return [len(set(prediction)) / 32 for prediction in y_pred]


def make_tuner(**changes: Any) -> Tuner:
    return tiny_studies.make_tuner(**{"dataset": ROWS, "scorer": distinct_characters, **changes})


def test_the_llmsearch_snippet_runs_with_only_imports_model_and_dataset_changed() -> None:
    """The snippet of llmsearch's README and notebooks; the scorer is its ROUGE-2 without the hub's `evaluate.load`."""
    model, tokenizer, seed, batch_size = tiny_model(), tiny_tokenizer(), 42, 2
    sample_dataset = datasets.Dataset.from_list([{"dialogue": text, "summary": text[:20]} for text in TEXT])
    rouge = rouge_score.rouge_scorer.RougeScorer(["rouge2"], use_stemmer=True)

    multi_token_stop_criteria_ob = MultiTokenStoppingCriteria(sequence_ids=[2])
    stopping_criteria = StoppingCriteriaList([multi_token_stop_criteria_ob])
    callbacks_after_inference = [multi_token_stop_criteria_ob.reset]

    def get_rouge_score(y_true: Any, y_pred: Any) -> Any:
        return np.mean(
            [
                rouge.score(item["summary"], prediction)["rouge2"].fmeasure
                for item, prediction in zip(y_true, y_pred, strict=True)
            ]
        )

    def sample_to_chat_format(tokenizer: Any, **kwargs: Any) -> Any:
        messages = [
            {"role": "system", "content": "You are a helpful AI assistant."},
            {"role": "user", "content": f"Summarize the following text in less than 50 words: {kwargs['dialogue']}"},
        ]
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    tuner_ob = Tuner(
        model=model,
        tokenizer=tokenizer,
        dataset=sample_dataset,
        device="cpu",
        batch_size=batch_size,
        tokenizer_encode_args={
            "padding": "longest",
            "truncation": True,
            "add_special_tokens": False,
            "max_length": 1024,
        },
        tokenizer_decode_args={"spaces_between_special_tokens": False, "skip_special_tokens": True},
        scorer=get_rouge_score,
        sample_preprocessor=sample_to_chat_format,
        seed=seed,
        column_mapping={"input_cols": ["dialogue"], "eval_cols": ["summary"]},
        callbacks_after_inference=callbacks_after_inference,
    )
    for _x, _y in zip(tuner_ob.dataset["_X"][:3], tuner_ob.dataset["_y"][:3], strict=True):
        assert _x.startswith("<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n<|im_start|>user\n")
        assert _x.endswith("<|im_start|>assistant\n")
        assert set(_y) == {"summary"}

    gen_params = {
        "max_new_tokens": 7,
        "stopping_criteria": stopping_criteria,
        "generation_seed": 42,
        "eos_token_id": [0, 2],
    }
    score, outputs = tuner_ob.get_score(gen_params)
    assert 0.0 <= score <= 1.0
    assert len(outputs) == 3
    again, others = tuner_ob.get_score(gen_params, dataset=datasets.Dataset.from_dict(sample_dataset[:2]))
    assert others == outputs[:2]
    assert again == pytest.approx(get_rouge_score(tuner_ob.dataset["_y"][:2], others))


def test_get_score_samples_and_is_reproducible() -> None:
    tuner = make_tuner()
    arguments = {"temperature": 0.7, "tfs": 0.95, "top_a": 0.2, "generation_seed": 1, "max_new_tokens": 6}
    value, outputs = tuner.get_score(arguments)
    assert tuner.get_score(GenerationParams.from_dict(arguments)) == (value, outputs)
    assert tuner.get_score({**arguments, "generation_seed": 2}).outputs != outputs
    assert value == pytest.approx(np.mean(distinct_characters([], outputs)))
    assert make_tuner(batch_size=1).get_score(arguments) == (value, outputs)


def test_get_score_stops_on_everything_it_is_given() -> None:
    tuner = make_tuner(output_preproc=lambda text: text)
    free = tuner.get_score({"max_new_tokens": 8, "eos_token_id": []})
    stop = free.outputs[0][2:4]
    assert tuner.get_score({"max_new_tokens": 8, "eos_token_id": [], "stop": [stop]}).outputs[0] == free.outputs[0][:2]
    shorter = tuner.get_score(
        {"max_new_tokens": 8, "eos_token_id": [], "stopping_criteria": [lambda ids, scores: True]}
    )
    assert all(len(cut) < len(whole) for cut, whole in zip(shorter.outputs, free.outputs, strict=True))


def test_stop_is_for_every_completion() -> None:
    free = make_tuner(output_preproc=str).get_score({"max_new_tokens": 8}).outputs
    stop = free[0][1:3]
    stopped = make_tuner(output_preproc=str, stop=[stop]).get_score({"max_new_tokens": 8}).outputs
    assert stopped[0] == free[0][:1]
    assert all(stop not in text for text in stopped)


def test_callbacks_run_after_every_pass() -> None:
    calls: list[int] = []
    tuner = make_tuner(callbacks_after_inference=[lambda: calls.append(1)])
    tuner.get_score({"max_new_tokens": 2})
    tuner.search(SPACE, n_trials=1, rungs=6, show_progress=False)
    assert len(calls) == 3


def test_the_best_parameters_score_the_same_again() -> None:
    tuner = make_tuner()
    study = tuner.search(SPACE, n_trials=4, show_progress=False)
    assert tuner.get_score(trial_params(study.best_trial)).value == pytest.approx(study.best_value)


def test_the_objective_is_a_plain_callable() -> None:
    objective = make_tuner().objective(SPACE, rungs=5)
    assert isinstance(objective, GenerationObjective)
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=2)
    assert list(study.trials[0].intermediate_values) == [5, 10, 12]


def test_search_begins_with_the_baselines_then_presets() -> None:
    model: Any = tiny_model()
    model.generation_config.update(do_sample=True, temperature=0.4, top_p=0.8)
    inside = GenerationParams(temperature=0.9, generation_seed=1, max_new_tokens=5)
    outside = {"typical_p": 0.5, "max_new_tokens": 5}
    study = make_tuner(model=model).search(SPACE, n_trials=5, presets=[inside, outside], show_progress=False)
    attributes = [trial.user_attrs for trial in study.trials]
    params = [GenerationParams.from_json(each["generation_params"]) for each in attributes]
    assert [each.get("baseline") for each in attributes] == ["model default", "greedy", None, None, None]
    assert params[0] == GenerationParams(do_sample=True, temperature=0.4, top_k=50, top_p=0.8, max_new_tokens=5)
    assert params[1] == GenerationParams(do_sample=False, max_new_tokens=5)
    assert params[2] == inside
    assert params[3] == GenerationParams.from_dict(outside)
    assert study.trials[2].params == {"temperature": 0.9, "generation_seed": 1}
    assert study.trials[3].params == {}
    assert make_tuner().search(SPACE, n_trials=1, baselines=False, show_progress=False).trials[0].params != {}


def test_a_model_with_beams_by_default_is_searched_beside_them() -> None:
    model: Any = tiny_model("t5")
    model.generation_config.update(num_beams=3)
    study = make_tuner(model=model).search(SPACE, n_trials=3, show_progress=False)
    assert [trial.user_attrs.get("baseline") for trial in study.trials] == ["model default", "greedy", None]
    assert [trial_params(trial).mode for trial in study.trials] == ["beam search", "greedy", "sampling"]


@pytest.mark.parametrize(
    ("family", "settings", "reason"),
    [
        ("t5", {"num_beams": 4, "early_stopping": "never"}, "asks for early"),
        ("llama", {"do_sample": True, "top_p": 0.0}, "has an unsupported value: `top_p` must be in (0, 1]"),
    ],
)
def test_a_model_whose_own_parameters_are_not_served_is_compared_with_greedy_alone(
    family: str, settings: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    model: Any = tiny_model(family)
    model.generation_config.update(**settings)
    study = make_tuner(model=model).search(SPACE, n_trials=2, show_progress=False)
    assert [trial.user_attrs.get("baseline") for trial in study.trials] == ["greedy", None]
    assert f"no baseline with the model's own parameters: the model's generation config {reason}" in caplog.text


def test_the_diagnosis_tells_what_a_generation_config_asks_for_in_vain() -> None:
    model: Any = tiny_model()
    model.generation_config.update(min_length=2, min_new_tokens=2)
    diagnosis = make_tuner(model=model).diagnosis()
    assert diagnosis["left out"] == "min_length = 2, min_new_tokens = 2, which its generation config asks for"
    assert "left out" not in make_tuner().diagnosis()


def test_an_encoder_decoder_model_works_the_same() -> None:
    tuner = make_tuner(model=tiny_model("t5"), is_encoder_decoder=True)
    assert len(tuner.get_score({"temperature": 1.0, "max_new_tokens": 4}).outputs) == len(ROWS)


def test_a_prediction_function_takes_the_models_place() -> None:
    def answer(prompts: list[str], params: dict[str, Any]) -> list[str]:
        return [f" {prompt}:{params.get('temperature', 0.0)} " for prompt in prompts]

    tuner = make_tuner(model=None, custom_pred_function=answer)
    assert tuner.get_score({"temperature": 0.5}).outputs[0] == f"{ROWS[0]['question']}:0.5"
    study = tuner.search(SPACE, n_trials=2, show_progress=False)
    assert [trial.user_attrs.get("baseline") for trial in study.trials] == ["greedy", None]


def test_a_limit_on_tokens_that_nobody_counts_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    tuner = make_tuner(model=None, custom_pred_function=lambda prompts, params: prompts)
    tuner.search(SPACE, n_trials=3, max_tokens_total=10, show_progress=False)
    warning = "`max_tokens_total` has no effect: the engine counts no tokens; set `n_trials` or `timeout` instead"
    assert caplog.messages.count(warning) == 1


def test_a_prediction_function_that_raises_fails_its_trial() -> None:
    def answer(prompts: list[str], params: dict[str, Any]) -> list[str]:
        return [f"{params['temperature']}" for _ in prompts]

    study = make_tuner(model=None, custom_pred_function=answer).search(SPACE, n_trials=2, show_progress=False)
    assert study.trials[0].user_attrs["error"] == "custom_pred_function raised KeyError: 'temperature'"
    assert study.trials[1].state == optuna.trial.TrialState.COMPLETE


def test_a_model_may_be_loaded_by_a_function_after_all_checks() -> None:
    def load() -> LoadedModel:
        loads.append(1)
        return LoadedModel(tiny_model(), tiny_tokenizer())

    loads: list[int] = []
    with pytest.raises(ConfigurationError, match="batch_size must be >= 1"):
        make_tuner(model=load, tokenizer=None, batch_size=0)
    with pytest.raises(ConfigurationError, match="the dataset is empty"):
        make_tuner(model=load, tokenizer=None, dataset=[])
    assert not loads
    arguments = {"temperature": 1.0, "max_new_tokens": 4}
    assert make_tuner(model=load, tokenizer=None).get_score(arguments) == make_tuner().get_score(arguments)
    assert loads == [1]


def test_the_former_name_of_the_lease_timeout_goes_on_working() -> None:
    search: Any = make_tuner().search
    with pytest.warns(FutureWarning, match="^`lapse_s` is now `lease_timeout_s`$"):
        search(SPACE, n_trials=1, lapse_s=5.0, show_progress=False)
    with pytest.raises(ConfigurationError, match=r"^`lapse_s` is the former name of `lease_timeout_s`: leave it out$"):
        search(SPACE, n_trials=1, lapse_s=5.0, lease_timeout_s=5.0)


def test_a_metric_may_be_named_and_minimised() -> None:
    study = make_tuner(scorer="exact_match", greater_is_better=False).search(SPACE, n_trials=1, show_progress=False)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE


def test_a_model_may_be_given_by_name(tmp_path: Path) -> None:
    model: Any = tiny_model()
    model.save_pretrained(tmp_path)
    tokenizer: Any = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    arguments = {"temperature": 1.0, "max_new_tokens": 4}
    by_name = make_tuner(model=str(tmp_path), tokenizer=None)
    assert by_name.get_score(arguments) == make_tuner().get_score(arguments)


def test_the_study_can_be_pickled_and_goes_on_in_anybodys_hands(tmp_path: Path) -> None:
    tuner = make_tuner(score_range=(0, 1))
    study = tuner.search(SPACE, n_trials=3, storage=f"sqlite:///{tmp_path}/x.db", show_progress=False)
    again = pickle.loads(pickle.dumps(study))
    assert isinstance(again.pruner, PairedPruner)
    assert again.pruner.prune(again, again.trials[0]) is False
    assert len(again.trials) == 3


@pytest.mark.full
def test_a_score_outside_the_declared_range_fails_the_trial() -> None:
    study = make_tuner(score_range=(0, 0.32)).search(SPACE, n_trials=6, show_progress=False)
    failed = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL]
    assert 0 < len(failed) < 6
    assert re.fullmatch(r"row \d+ scored 0\.\d+, but `score_range` is \[0.0, 0.32\]", failed[0].user_attrs["error"])


@pytest.mark.parametrize("replaced", ["model", "replay_bytes", "is_encoder_decoder", "tokenizer_decode_args"])
def test_what_a_prediction_function_makes_useless_is_refused(replaced: str) -> None:
    given = {"model": "org/model", "replay_bytes": 0, "is_encoder_decoder": False, "tokenizer_decode_args": {}}
    arguments = {"model": None, "custom_pred_function": lambda prompts, params: prompts, replaced: given[replaced]}
    with pytest.raises(ConfigurationError, match="`custom_pred_function`"):
        make_tuner(**arguments)


@pytest.mark.parametrize("ending", [{"stop": ["x"]}, {"eos_token_id": 3}])
def test_a_prediction_function_is_not_told_how_to_end(ending: dict[str, Any]) -> None:
    tuner = make_tuner(model=None, custom_pred_function=lambda prompts, params: prompts)
    with pytest.raises(ConfigurationError, match="let the function stop itself"):
        tuner.get_score({"temperature": 1.0, **ending})


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dataset": [{"q": "x", "answer": "1"}]}, "the dataset has no column 'question': it has q, answer"),
            ({"dataset": []}, "the dataset is empty: it needs at least one row"),
            ({"prompt_template": "{query}"}, r"the template names `\{query\}`, which is not among input_cols"),
            (
                {"prompt_template": None},
                "give exactly one of prompt_template, prompt_jinja, messages, messages_col, sample_preprocessor, got",
            ),
            ({"sample_preprocessor": lambda tokenizer, **_: "x"}, "got prompt_template and sample_preprocessor"),
            (
                {"column_mapping": {"input_cols": ["question"]}},
                "column_mapping needs the keys input_cols and eval_cols",
            ),
            ({"column_mapping": {"input_cols": "question", "eval_cols": []}}, "must be a list of columns"),
            ({"scorer": "rogue1"}, "unknown metric `rogue1`: did you mean `rouge1`"),
            ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
            ({"score_range": (1, 0)}, r"`score_range` must be two numbers, the smaller first, got \(1, 0\)"),
            (
                {"scorer": "bleu", "score_range": (0, 1)},
                "metric `bleu` scores no single samples: leave `score_range` out",
            ),
            ({"stop": "abc"}, "`stop` must be a list of non-empty strings"),
            ({"tokenizer": None}, "pass the model's tokenizer, or the model by name"),
            ({"model": None}, "pass a model, a custom_pred_function, or a server"),
            ({"model": "no/such-model", "tokenizer": None}, "model no/such-model cannot be loaded"),
            ({"device": "nonsense:0"}, "device 'nonsense:0' cannot be used"),
            ({"is_encoder_decoder": True}, "is_encoder_decoder=True, but the model's is False"),
            ({"search_size": 0}, "`search_size` must be >= 1, got 0"),
            ({"take": True}, "`take` must be an integer >= 1, got True"),
            ({"take": "5"}, "`take` must be an integer >= 1, got '5'"),
            ({"search_size": 20}, "12 samples cannot be split into 20 to search on and 0 to hold out"),
            (
                {"model": None, "custom_pred_function": list, "stop": ["x"]},
                "`stop` has no effect with `custom_pred_function`",
            ),
            ({"model": tiny_model(vocab_size=300)}, "the tokenizer has .* token ids but the model embeds only 300"),
            (
                {
                    "prompt_template": None,
                    "messages": [{"role": "user", "content": "{question}"}],
                    "tokenizer": tiny_tokenizer(chat=False),
                },
                "the tokenizer has no chat template",
            ),
        ],
    )
    def test_one_line_says_what_to_change(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message) as caught:
            make_tuner(**changes)
        assert "\n" not in str(caught.value)

    def test_a_pad_token_is_found_where_there_is_one(self) -> None:
        expected = make_tuner().get_score({"max_new_tokens": 4})
        assert make_tuner(tokenizer=tiny_tokenizer(pad=False)).get_score({"max_new_tokens": 4}) == expected

    def test_a_prompt_longer_than_the_window_names_its_row(self) -> None:
        rows = [*ROWS, {"question": "apples " * 600, "answer": "0"}]
        tuner = make_tuner(dataset=rows)
        with pytest.raises(TaskError, match=r"the prompt of row 12 has \d+ tokens, and 5 new ones exceed"):
            tuner.objective(SPACE)
        with pytest.raises(TaskError, match="model's window of 512: shorten it"):
            tuner.get_score({"max_new_tokens": 5})

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"top_p": 1.3}, r"`top_p` must be in \(0, 1\], got 1.3"),
            ({"penalty_alpha": 0.6}, "`penalty_alpha`: contrastive search was removed in transformers 5.0"),
            ({"num_beams": 4, "mirostat_tau": 3}, "`mirostat_tau` cannot go with `num_beams` > 1"),
            ({"stop": "###"}, "`stop` must be a list of non-empty strings, got '###'"),
            ({"stop": [""]}, r"`stop` must be a list of non-empty strings, got \[''\]"),
            ({"eos_token_id": "</s>"}, "`eos_token_id` must be a token id or a list of them, got '</s>'"),
        ],
    )
    def test_get_score_refuses_wrong_parameters(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            make_tuner().get_score(arguments)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_trials": 0}, "`n_trials` must be >= 1"),
            ({"sampler": "tpo"}, "unknown sampler `tpo`: did you mean `tpe`"),
            ({"sampler": "grid"}, "`temperature` is continuous, which a grid search cannot list"),
            ({"storage": "nonsense://host"}, "nonsense"),
            ({"storage": 7}, "`storage` must be the path of an SQLite file or an SQLAlchemy URL, got 7"),
            ({"presets": [{"top_q": 1}]}, "unknown generation parameter `top_q`"),
        ],
    )
    def test_search_refuses_wrong_arguments_before_it_generates(self, arguments: dict[str, Any], message: str) -> None:
        def never(prompts: list[str], params: dict[str, Any]) -> list[str]:
            raise AssertionError("nothing may be generated")

        tuner = make_tuner(model=None, custom_pred_function=never)
        with pytest.raises(LlmsearchError, match=message) as caught:
            tuner.search(SPACE, **{"n_trials": 2, "show_progress": False, **arguments})
        assert "\n" not in str(caught.value)
