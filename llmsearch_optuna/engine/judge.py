"""Judges: an engine, the study's own or that of a server, that answers the questions of a metric."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmsearch_optuna.engine.base import Engine, Request, Stopping
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.http.connection import connect
from llmsearch_optuna.engine.http.engine import HTTPEngine, run
from llmsearch_optuna.errors import ScorerError
from llmsearch_optuna.metrics.judging import Inquiry, JudgeAnswer
from llmsearch_optuna.space.params import GenerationParams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmsearch_optuna.engine.backend import Backend

__all__ = ["EngineJudge", "server_judge", "study_judge"]


@dataclass(frozen=True, kw_only=True)
class EngineJudge:
    """An engine as a judge; see `Judge`.

    Attributes:
        engine: Generates the answers.
        identity: Identifies the model, for the keys of judgements.
        label: The judge's name.
        request: ``(messages, params) -> request``, from user and assistant in turn.
        excess: ``(sample, token ids, max_new_tokens) -> what exceeds the model's window``; None if nothing does.
    """

    engine: Engine
    identity: str
    label: str
    request: Callable[[Sequence[str], GenerationParams], Request]
    excess: Callable[[int, Sequence[int], int], str | None] = lambda _sample, _ids, _tokens: None

    def ask(self, inquiries: Sequence[Inquiry]) -> list[JudgeAnswer]:
        """See `Judge`.

        Raises:
            ScorerError: A question is longer than the model's window.
        """
        requests = []
        for inquiry in inquiries:
            params = GenerationParams(
                do_sample=inquiry.temperature > 0.0,
                temperature=inquiry.temperature or None,
                generation_seed=inquiry.seed,
                max_new_tokens=inquiry.max_new_tokens,
            )
            request = self.request(inquiry.messages, params)
            if excess := self.excess(inquiry.sample, request.prompt_ids, inquiry.max_new_tokens):
                raise ScorerError(f"as a question to the judge, {excess}")
            requests.append(request)
        return [
            JudgeAnswer(
                completion.text,
                completion.finish_reason != "length",
                completion.prompt_token_count or len(request.prompt_ids),
                completion.token_count,
            )
            for request, completion in zip(requests, self.engine.generate(requests), strict=True)
        ]


def server_judge(server: OpenAIServer) -> EngineJudge:
    """Connect to a server whose model judges.

    Raises:
        ConfigurationError: The API key is not set or cannot be sent.
        ModelError: The server does not have the model.
        ServerError: The server cannot be reached, or refuses the API key.
    """
    connection = run(connect(dataclasses.replace(server, probe=False), chat=True))
    engine = HTTPEngine(connection, chat=True)
    return EngineJudge(engine=engine, identity=connection.identity, label=connection.identity, request=_chat_request)


def study_judge(backend: "Backend") -> EngineJudge:
    """Return the study's own model as a judge. Without a chat template, messages become one plain text."""
    tokenizer, stopping = backend.tokenizer, backend.stopping(())

    def plain_request(messages: Sequence[str], params: GenerationParams) -> Request:
        prompt, is_chat = _rendered(messages, tokenizer)
        ids = () if tokenizer is None else tuple(tokenizer(prompt, add_special_tokens=not is_chat)["input_ids"])
        return Request(prompt=prompt, prompt_ids=ids, params=params, stopping=stopping)

    window = backend.window
    return EngineJudge(
        engine=backend.engine,
        identity=backend.identity,
        label=backend.model_name or "the study's model",
        request=_chat_request if backend.takes_messages else plain_request,
        **({} if window is None else {"excess": window.excess}),
    )


def _messages(messages: Sequence[str]) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(messages)]


def _chat_request(messages: Sequence[str], params: GenerationParams) -> Request:
    prompt = json.dumps(_messages(messages))
    return Request(prompt=prompt, prompt_ids=(), params=params, stopping=Stopping())


def _rendered(messages: Sequence[str], tokenizer: "PreTrainedTokenizerBase | None") -> tuple[str, bool]:
    """Return messages as one prompt, and whether the chat template wrote it."""
    if tokenizer is None or not tokenizer.chat_template:
        return "\n\n".join(messages) + "\n\n", False
    return str(tokenizer.apply_chat_template(_messages(messages), tokenize=False, add_generation_prompt=True)), True
