"""What the pages in docs/ show can be read by whom it is for."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from documentation import PAGES, README, blocks

from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.study_file.file import StudyFile

STUDY = blocks("toml")[0]


def of_all_pages(*languages: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{name}-{language or 'commands'}-{number}")
        for name, page in PAGES.items()
        for language in languages
        for number, text in enumerate(blocks(language, page))
    ]


def check_commands(words: list[str]) -> int:
    """Parse every command line of ours in these words, and return how many there are."""
    places = [index for index, word in enumerate(words) if word == "llmsearch-optuna"]
    for place in places:
        make_parser().parse_args(words[place + 1 :])
    return len(places)


@pytest.mark.parametrize("text", of_all_pages("toml"))
def test_a_part_of_a_study_file_fits_the_readmes(text: str, tmp_path: Path) -> None:
    is_whole = "[space]" in text
    whole = text if is_whole else re.sub(r"\[model\]\n.*?\n\n", f"{text}\n", STUDY, flags=re.DOTALL)
    file = StudyFile.parse(whole, name="x", directory=tmp_path)
    assert (file.model is None) == ("[server]" in text)


@pytest.mark.parametrize("text", of_all_pages("bash", ""))
def test_a_shell_reads_the_commands(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    lines = text.replace("\\\n", " ").splitlines()
    assert sum(check_commands(shlex.split(line.replace('"', ""), comments=True)) for line in lines) > 0


@pytest.mark.parametrize("text", of_all_pages("yaml"))
def test_the_manifests_belong_together(text: str) -> None:
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}
    deployment, service, job = (manifests[kind]["spec"] for kind in ("Deployment", "Service", "Job"))
    assert service["selector"] == deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    (server,) = deployment["template"]["spec"]["containers"]
    assert server["ports"][0]["containerPort"] == service["ports"][0]["port"]
    (worker,) = job["template"]["spec"]["containers"]
    assert check_commands(worker["args"]) == 1
    volumes = {volume["name"] for volume in job["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in worker["volumeMounts"]} == volumes


@pytest.mark.parametrize("text", of_all_pages("python"))
def test_python_compiles_and_its_commands_are_ours(text: str) -> None:
    compile(text, "docs", "exec")
    for command in re.findall(r'\["llmsearch-optuna".*?\]', text):
        make_parser().parse_args([*re.findall(r'"(.*?)"', command)[1:], "sqlite:///x.db"])


def test_the_readme_names_its_pages() -> None:
    for name in ("many_workers", "metrics"):
        assert f"`docs/{name}.md`" in README
