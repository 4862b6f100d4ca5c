from typing import Any

from transformers import GenerationConfig

from llmsearch_optuna.space.generation_config import HF_NAMES
from llmsearch_optuna.space.params import PARAMETERS

CONFIG: Any = GenerationConfig


def test_the_table_tells_which_parameters_transformers_has() -> None:
    # transformers accepts unknown names in a config, and ignores them.
    fields = {name for name in PARAMETERS if hasattr(CONFIG(), name)}
    assert fields == HF_NAMES, "`in_transformers` of these parameters in space/parameter_fields.py is wrong"
