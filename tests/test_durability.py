"""Whatever happens to a search, it ends as if nothing had happened: kills, faults, locks and readers."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from contents import compare, read_contents
from tiny_studies import make_tuner, search

BENCHMARKS = Path(__file__).parents[1] / "studies" / "benchmarks"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a study with a verdict."""
    path = tmp_path_factory.mktemp("whole") / "study.db"
    tuner = make_tuner(holdout_size=4)
    tuner.confirm(search(tuner, path, 4), seeds=1, show_progress=False)
    return path


class TestKills:
    def test_studies_killed_25_times_end_as_the_uninterrupted_ones(self, tmp_path: Path) -> None:
        """Real processes, real SIGKILLs; their own fork server, as one that runs tests has threads."""
        command = [sys.executable, str(BENCHMARKS / "kill.py"), "--kills", "25", "--json", str(tmp_path / "figures")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        figures = json.loads((tmp_path / "figures").read_text())
        assert figures["kills"] == 25
        assert min(figures[f"kills_during_{phase}"] for phase in ("start", "search", "verdict")) >= 1
        assert figures["pruned"] > 0
        assert (figures["rows_lost"], figures["rows_differing"]) == (0, 0), done.stdout
        assert figures["lost_beyond_a_batch"] == 0

    @pytest.mark.parametrize(
        ("statement", "lost", "differing"),
        [
            ("DELETE FROM llmsearch_completions WHERE trial_number = 2 AND position = 3", 1, 0),
            ("UPDATE llmsearch_completions SET score = score + 1e-9 WHERE trial_number = 3", 0, 12),
            ("UPDATE llmsearch_held_out SET text = '\"?\"' WHERE position = 0", 0, 3),
            ("INSERT INTO trials (number, study_id, state) SELECT 4, study_id, 'RUNNING' FROM studies", 1, 0),
            ("UPDATE trials SET state = 'FAIL' WHERE number = 1", 0, 1),
            ("UPDATE trial_params SET param_value = param_value + 1e-9 WHERE param_name = 'temperature'", 0, 2),
            ("DELETE FROM trial_intermediate_values WHERE step = 4", 4, 0),
            ("DELETE FROM study_user_attributes WHERE key = 'llmsearch_verdict'", 1, 0),
            ("UPDATE trials SET datetime_start = NULL, datetime_complete = NULL", 0, 0),
        ],
    )
    def test_what_is_lost_or_differs_is_counted(
        self, whole: Path, statement: str, lost: int, differing: int, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy.db"
        with sqlite3.connect(whole) as source, sqlite3.connect(copy) as connection:
            source.backup(connection)
            connection.execute(statement)
        found = compare(read_contents(copy), read_contents(whole))
        assert len(found.lost) == lost
        assert len(found.differing) == differing
