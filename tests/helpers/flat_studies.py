"""Studies in which every score is the same."""

from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import create_trial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, StoredSample, open_storage
from llmsearch_optuna.study.attributes import BASELINE, PARAMS
from llmsearch_optuna.study.study import create_study, study_key
from studies.benchmarks.synthetic_studies import SPACE


def flat_study(path: Path, score: float) -> tuple[optuna.Study, RDBStorage]:
    """Write a study of a baseline and four trials on four samples, without a verdict."""
    storage = open_storage(f"sqlite:///{path}")
    fingerprint = {"metric": "exact_match", "splits": {"search": 4, "holdout": 4}}
    study = create_study("flat", storage, greater_is_better=True, fingerprint=fingerprint)
    key, store = study_key(study), CompletionStore(storage)
    store.save_samples(
        key, [StoredSample(position=at, row=at, prompt=f"{at}?", reference={"a": "b"}) for at in range(4)]
    )
    for number in range(5):
        params = GenerationParams(do_sample=False) if number == 0 else GenerationParams(temperature=0.2 * number)
        attributes = {PARAMS: params.to_json(), **({BASELINE: "greedy"} if number == 0 else {})}
        chosen = {"temperature": 0.2 * number, "top_k": number, "generation_seed": number % 4}
        study.add_trial(
            create_trial(
                value=score,
                params={} if number == 0 else chosen,
                distributions={} if number == 0 else SPACE,
                intermediate_values={2: score, 4: score},
                user_attrs=attributes,
            )
        )
        completions = [
            StoredCompletion(
                position=at, row=at, text="b", token_ids=(1,) * (1 + number), finish_reason="eos", score=score
            )
            for at in range(4)
        ]
        store.append(key, number, completions)
    return study, storage
