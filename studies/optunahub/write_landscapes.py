"""Write the recorded landscapes as text for OptunaHub, whose packages hold no binary files.

Usage: python -m studies.optunahub.write_landscapes
"""

import json
from pathlib import Path

import optuna

from studies.benchmarks.places import NAMES, recorded

DIRECTORY = Path(__file__).parent / "package" / "benchmarks" / "llm_generation" / "landscapes"
DECIMALS = 3


def main() -> None:
    """Write one JSON file per landscape, with one configuration per line."""
    for name in NAMES:
        landscape = recorded(name)
        means = landscape.scores.mean(axis=1)
        drawn, baselines = [], {}
        for configuration, scores, mean in zip(landscape.configurations, landscape.scores, means, strict=True):
            if configuration.baseline is not None:
                baselines[configuration.baseline] = round(float(mean), DECIMALS)
                continue
            rounded = [round(float(score), DECIMALS) for score in scores]
            shortest = [int(score) if score in (0.0, 1.0) else score for score in rounded]
            drawn.append(json.dumps({"params": configuration.chosen, "scores": shortest}, separators=(",", ":")))
        study = optuna.create_study()
        trial = study.ask()
        landscape.space.suggest(trial)
        space = {
            dimension: json.loads(optuna.distributions.distribution_to_json(distribution))
            for dimension, distribution in trial.distributions.items()
        }
        head = f'{{"space": {json.dumps(space)},\n"baselines": {json.dumps(baselines)},\n"configurations": [\n'
        (DIRECTORY / f"{name}.json").write_text(head + ",\n".join(drawn) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
