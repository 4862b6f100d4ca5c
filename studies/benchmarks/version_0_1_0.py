"""Search and judge a study file with version 0.1.0 of this package, for `results.py`.

Usage: python version_0_1_0.py JOB.json, with a clone of version 0.1.0 on PYTHONPATH. The last line on standard output
is one JSON object: the seconds of the search and of the verdict, without loading the model.
"""

import json
import sys
import time
from pathlib import Path

from llmsearch_optuna.launch import build_tuner, search

from llmsearch_optuna.study_file import StudyFile


def main() -> None:
    """Run the job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    file = StudyFile.parse(job["text"], name=job["name"], directory=Path(job["directory"]))
    tuner = build_tuner(file)
    started = time.perf_counter()
    result = search(file, tuner, show_progress=False)
    searched = time.perf_counter()
    tuner.confirm(result, show_progress=False)
    ended = time.perf_counter()
    print(json.dumps({"search_s": searched - started, "verdict_s": ended - searched}))


if __name__ == "__main__":
    main()
