"""Study files of tests."""

STUDY = """
[study]
n_trials = {trials}
rungs = 4

[model]
name = "model"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{{question}}"
search_size = 8

[metric]
name = "token_f1"

[space]
temperature = {{ low = 0.5, high = 1.5 }}
max_new_tokens = 4
"""
