"""Prompts as the turns of a chat, for the templates that models come with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.report.turns import Turn, chat_turns

BE, HI, YO = Turn("system", "Be"), Turn("user", "Hi"), Turn("assistant", "Yo")

DEEP = '[{"a":' + "[" * 100_000

LLAMA_3 = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)


@pytest.mark.parametrize(
    ("prompt", "turns"),
    [
        ("<|im_start|>system\nBe<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", (BE, HI)),
        (LLAMA_3, (BE, HI)),
        ("<s>[INST] <<SYS>>\nBe\n<</SYS>>\n\nHi [/INST] Yo </s><s>[INST] Hi [/INST]", (BE, HI, YO, HI)),
        ("<s>[SYSTEM_PROMPT]Be[/SYSTEM_PROMPT][INST]Hi[/INST]", (BE, HI)),
        ("<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n", (HI, YO)),
        ("<bos><|turn>user\nHi<turn|>\n<|turn>model\n", (HI,)),
        ("<|system|>\nBe</s>\n<|user|>\nHi</s>\n<|assistant|>\n", (BE, HI)),
        ("<|start|>developer<|message|>Be<|end|><|start|>user<|message|>Hi<|end|><|start|>assistant", (BE, HI)),
        ("<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>", (HI,)),
        ("<\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c>", (HI,)),
        ("<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>", (HI,)),
        ('[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]', (HI, YO)),
        ('[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]', (Turn("user", "Hi"),)),
    ],
)
def test_templates(prompt: str, turns: tuple[Turn, ...]) -> None:
    assert chat_turns(prompt) == turns


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Q: 1 < 2?\nA:",
        "user\nHi",
        "  if a <| b |> c:\n",
        '[{"a": 1}]',
        "[{1",
        "</s> <s>",
        "[{}]",
        "[1]",
        pytest.param(DEEP, id="deep"),
    ],
)
def test_other_prompts_are_one_turn_as_they_are(prompt: str) -> None:
    assert chat_turns(prompt) == (Turn("", prompt),)


@given(st.text(alphabet="<|>im_startenduser\n [INST]/", max_size=60))
def test_no_prompt_is_refused(prompt: str) -> None:
    turns = chat_turns(prompt)
    assert all(turn.text in prompt for turn in turns)
