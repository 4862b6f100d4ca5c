"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for text in [*project["dependencies"], *extras["json"], *extras["math"], *extras["postgresql"]]:
    requirement = Requirement(text)
    (oldest,) = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    print(f"{requirement.name}=={oldest}")
