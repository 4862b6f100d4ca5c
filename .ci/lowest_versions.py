"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
for text in [*project["dependencies"], *project["optional-dependencies"]["postgresql"]]:
    requirement = Requirement(text)
    (oldest,) = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    print(f"{requirement.name}=={oldest}")
